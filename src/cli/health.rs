//! `tagd health`: asks a server whether it is ready, for the health checks of containers.

use std::{
    io::{self, Read, Write},
    net::IpAddr,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use rustls::crypto::ring;
use ureq::{
    Agent,
    http::Uri,
    tls::{Certificate, RootCerts, TlsConfig, TlsProvider},
};

use super::{CliError, serve::reachable};
use crate::{config::Settings, domain::ListenAddress, pem};

/// Which server to ask.
#[derive(Debug, Args)]
#[expect(clippy::doc_markdown, reason = "shown as help, where backticks would stand as they are")]
pub(super) struct HealthArgs {
    /// The server, such as http://127.0.0.1:8080 or unix:/run/tagd/tagd.sock [default: the address that the settings name]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// CA certificates in PEM, one of which must have signed the certificate of the server [default: those of the system;
    /// on a loopback address the certificate is not checked]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
}

/// How long the server may take. It answers within about a second, whatever the database does.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Maximum length of an answer.
const LONGEST: u64 = 64 * 1024;

const PATH: &str = "/readyz";

/// Prints one line on standard output if the server is ready, and is an error otherwise.
pub(super) fn run(settings: &Settings, args: &HealthArgs) -> Result<(), CliError> {
    let server = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => of_settings(settings)?,
    };
    let answer = match server.strip_prefix("unix:") {
        Some(path) => ask_socket(Path::new(path)).map_err(|error| error.to_string()),
        None => ask(&server, args)?,
    };
    let (status, body) = answer.map_err(|reason| CliError::Stopped(format!("{server}: {reason}")))?;
    let told = serde_json::from_str(&body).ok().and_then(|body: serde_json::Value| {
        let status = body.get("status")?.as_str()?;
        Some(status.to_owned())
    });
    match (status, told) {
        (200, Some(told)) => {
            // standard output may be closed
            let _ = writeln!(io::stdout(), "{server}: {told}");
            Ok(())
        }
        (503, Some(told)) => Err(CliError::Stopped(format!("{server}: {told}"))),
        (status, _) => {
            Err(CliError::Stopped(format!("{server}{PATH}: answered with {status}; tagd answers 200 or 503")))
        }
    }
}

/// The address of the server that these settings start, without TLS if it has such a one.
fn of_settings(settings: &Settings) -> Result<String, CliError> {
    let (address, setting) = match &settings.http_listen {
        Some(address) => (address.clone(), "http_listen"),
        None => (settings.listen(), "listen"),
    };
    let tls = settings.tls.as_ref().filter(|_| setting == "listen");
    if tls.is_some_and(|tls| tls.client_ca.is_some()) {
        let message =
            "tls_client_ca: clients must present a certificate, which health has not; set http_listen as well";
        return Err(CliError::Stopped(message.to_owned()));
    }
    match address {
        ListenAddress::Unix(_) => Ok(address.to_string()),
        ListenAddress::Tcp(address) if address.port() == 0 => {
            Err(CliError::Stopped(format!("{setting}: {address} is not where a server is found; give --url")))
        }
        ListenAddress::Tcp(address) => {
            Ok(format!("{}://{}", if tls.is_some() { "https" } else { "http" }, reachable(address)))
        }
    }
}

/// Asks over TCP: the status and the body of the answer, or why there is none.
fn ask(server: &str, args: &HealthArgs) -> Result<Result<(u16, String), String>, CliError> {
    let url = format!("{server}{PATH}");
    let uri = url.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    let Some((uri, scheme)) = uri.and_then(|uri| Some((uri.clone(), uri.scheme_str()?.to_owned()))) else {
        return Err(wrong_url());
    };
    // a proxy of the environment is for other machines
    let mut config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_global(Some(TIMEOUT));
    match scheme.as_str() {
        "http" => {}
        "https" => {
            config = config.tls_config(tls(is_loopback(uri.host().unwrap_or_default()), args.tls_ca.as_deref())?);
        }
        _ => return Err(wrong_url()),
    }
    let asked = config.build().new_agent().get(uri).call();
    Ok(asked.map_err(|error| error.to_string()).and_then(|mut answer| {
        let body = answer.body_mut().with_config().limit(LONGEST).read_to_string();
        Ok((answer.status().as_u16(), body.map_err(|error| error.to_string())?))
    }))
}

fn wrong_url() -> CliError {
    CliError::Stopped("url: must be http://, https:// or unix: and the address of a server".to_owned())
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let is_address = |ip: IpAddr| ip.to_canonical().is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.trim_matches(['[', ']']).parse().is_ok_and(is_address)
}

/// How the certificate of the server is checked. On this machine it is not: it is for a name that leads elsewhere, and nothing
/// secret is sent.
fn tls(is_here: bool, ca: Option<&Path>) -> Result<TlsConfig, CliError> {
    let config = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
    let authorities = match ca {
        Some(path) => pem::authorities("tls_ca", path)?,
        None if is_here => return Ok(config.disable_verification(true).build()),
        None => rustls_native_certs::load_native_certs().certs,
    };
    let roots: Vec<_> = authorities.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    Ok(config.root_certs(RootCerts::Specific(Arc::new(roots))).build())
}

/// Asks at a Unix socket.
fn ask_socket(path: &Path) -> io::Result<(u16, String)> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(stream, "GET {PATH} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    let malformed = || io::Error::other("the answer is not HTTP");
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(malformed)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(malformed)?;
    Ok((status, body.to_owned()))
}
