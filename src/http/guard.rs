//! Refuses requests that a browser sends for a foreign web page, and upgrades to another protocol.
//!
//! Requests are not authenticated, so any web page that is open in a browser on a machine that can reach tagd could send
//! it requests. Every request is checked here before routing (ADR 18).

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::{
    dev::{RequestHead, ServiceRequest},
    http::header::{self, HeaderName, HeaderValue},
};

use crate::domain::reason::quote;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Denied {
    /// It may come from a foreign web page.
    Forbidden(String),
    /// It requests a WebSocket.
    Upgrade,
}

/// Checks a request; `allowed` are host names, in lower case and without a trailing dot.
pub(super) fn check(request: &ServiceRequest, allowed: &[String]) -> Result<(), Denied> {
    let head = request.head();
    let is_https = request.app_config().secure();
    check_host(head, allowed).and_then(|()| check_site(head, is_https)).map_err(Denied::Forbidden)?;
    // with this header, actix-http ignores the Content-Length and reads until the connection ends
    if head.headers().get_all(header::UPGRADE).any(|value| is(value, "websocket")) {
        return Err(Denied::Upgrade);
    }
    Ok(())
}

/// The hosts that the request is addressed to: its `Host`, and that of an absolute target.
fn hosts(head: &RequestHead) -> impl Iterator<Item = &[u8]> {
    let host = head.headers().get(header::HOST).map(HeaderValue::as_bytes);
    let target = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    host.into_iter().chain(target)
}

/// The owner of a page can make its own host name resolve to this machine, but not an IP address or `localhost`.
fn check_host(head: &RequestHead, allowed: &[String]) -> Result<(), String> {
    // a request without a host is HTTP/1.0, which browsers do not use; in HTTP/1.1 actix-http refuses it with 400
    for host in hosts(head) {
        let is_allowed = str::from_utf8(host).ok().and_then(split).is_some_and(|(name, _)| is_allowed(name, allowed));
        if !is_allowed {
            return Err(format!(
                "Host: must be localhost, an IP address or a name given with --allowed-host, got {}",
                quote(&String::from_utf8_lossy(host))
            ));
        }
    }
    Ok(())
}

/// Checks the headers in which a browser names the page that sends the request.
fn check_site(head: &RequestHead, is_https: bool) -> Result<(), String> {
    for site in head.headers().get_all(SEC_FETCH_SITE) {
        if is(site, "cross-site") || is(site, "same-site") {
            return Err("Sec-Fetch-Site: requests from web pages of other origins are not allowed".to_owned());
        }
    }
    for origin in head.headers().get_all(header::ORIGIN) {
        let mut hosts = hosts(head).peekable();
        let is_own = hosts.peek().is_some() && hosts.all(|host| is_origin_of(origin.as_bytes(), host, is_https));
        if !is_own {
            let scheme = if is_https { "the scheme https and " } else { "" };
            return Err(format!(
                "Origin: must have {scheme}the host and port of the Host header, got {}",
                quote(&String::from_utf8_lossy(origin.as_bytes()))
            ));
        }
    }
    Ok(())
}

fn is(value: &HeaderValue, word: &str) -> bool {
    value.as_bytes().trim_ascii().eq_ignore_ascii_case(word.as_bytes())
}

/// Name or address, and port, of `host[:port]`.
fn split(text: &str) -> Option<(&str, Option<u16>)> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (host, rest) = text.split_at_checked(end)?;
    let port = match rest.strip_prefix(':') {
        // a colon without a port is allowed and means nothing
        Some("") => None,
        Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => Some(port.parse().ok()?),
        None if rest.is_empty() => None,
        _ => return None,
    };
    (!host.is_empty()).then_some((host, port))
}

fn is_allowed(host: &str, allowed: &[String]) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    if host.parse::<Ipv4Addr>().is_ok() {
        return true;
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    name.eq_ignore_ascii_case("localhost") || allowed.iter().any(|allowed| name.eq_ignore_ascii_case(allowed))
}

/// Whether an origin belongs to a host. If `Host` has no port, it is the default port of the origin's scheme, since a
/// proxy in front of tagd may terminate TLS. If tagd does so itself, a page that came over plain HTTP is of another origin.
fn is_origin_of(origin: &[u8], host: &[u8], is_https: bool) -> bool {
    let (Ok(origin), Ok(host)) = (str::from_utf8(origin), str::from_utf8(host)) else { return false };
    let (rest, usual) = match origin.split_once("://") {
        Some(("https", rest)) => (rest, 443),
        Some(("http", rest)) if !is_https => (rest, 80),
        _ => return false,
    };
    match (split(rest), split(host)) {
        (Some((of_origin, port)), Some((of_host, other))) => {
            of_origin.eq_ignore_ascii_case(of_host) && port.unwrap_or(usual) == other.unwrap_or(usual)
        }
        _ => false,
    }
}
