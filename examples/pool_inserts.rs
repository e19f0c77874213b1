//! A bare insert per second through a pool like tagd's: the baseline of `tools/bench/writes`.
//!
//! `pool_inserts URL CLIENTS SECONDS IMAGES` writes one row a statement into `book.tag`, which the tool has made,
//! and prints how many a second. The pool is sqlx's with tagd's options, with a connection for each client.

use std::{
    env,
    error::Error,
    time::{Duration, Instant},
};

use sqlx::postgres::PgPoolOptions;

const INSERT: &str = "insert into book.tag (scope_id, slot, key, value) values (1, $1, 'bench', $2)
  on conflict (scope_id, slot, key) do update set value = excluded.value";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [url, clients, seconds, images] = arguments.as_slice() else {
        return Err("usage: pool_inserts URL CLIENTS SECONDS IMAGES".into());
    };
    let (clients, images): (u32, i64) = (clients.parse()?, images.parse()?);
    let seconds: f64 = seconds.parse()?;
    let pool = PgPoolOptions::new().max_connections(clients).test_before_acquire(false).connect(url).await?;
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let tasks: Vec<_> = (0..i64::from(clients))
        .map(|client| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut written: u32 = 0;
                // another order of images for each client
                let mut slot = client * 7_919;
                while Instant::now() < end {
                    slot = (slot + 104_729) % images;
                    let value = format!("v-{}", slot % 1000);
                    let slot = i32::try_from(slot).unwrap_or_default();
                    sqlx::query(INSERT).bind(slot).bind(value).execute(&pool).await?;
                    written += 1;
                }
                Ok::<u32, sqlx::Error>(written)
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += task.await??;
    }
    println!("{:.1}", f64::from(written) / seconds);
    Ok(())
}
