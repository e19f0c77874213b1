//! Answers every request with the bytes of a file and no database: the limit of HTTP for `tools/bench`.
//!
//! `same_bytes FILE WORKERS` listens on a free port of the loopback address, prints the address, and reads the body of a
//! request as tagd does before it answers. It ends when its standard input does.

use std::{
    env,
    error::Error,
    fs, io,
    io::{Read, Write},
    net::TcpListener,
};

use actix_web::{App, HttpResponse, HttpServer, web};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, workers] = arguments.as_slice() else {
        return Err("usage: same_bytes FILE WORKERS".into());
    };
    let answer = web::Bytes::from(fs::read(file)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(move || {
        let answer = answer.clone();
        App::new().default_service(web::to(move |_body: web::Bytes| {
            let answer = answer.clone();
            async move { HttpResponse::Ok().content_type("application/json").body(answer) }
        }))
    })
    .workers(workers.parse()?)
    .listen(listener)?
    .run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    writeln!(io::stdout(), "http://{address}")?;
    // whoever started this holds the other end
    tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
    handle.stop(false).await;
    Ok(running.await??)
}
