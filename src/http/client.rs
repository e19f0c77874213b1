//! The address of a client, even if its requests come through proxies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::{
    HttpRequest,
    dev::ServiceRequest,
    http::header::{HeaderName, HeaderValue},
};

use crate::domain::Network;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client that sent a request: that of its connection, unless a trusted proxy is at the other end.
pub(super) fn address(request: &ServiceRequest, trusted: &[Network]) -> IpAddr {
    let peer = peer_of(request.peer_addr());
    if trusted.is_empty() {
        return peer;
    }
    let forwarded = request.headers().get_all(FORWARDED_FOR).rev();
    let entries = forwarded.flat_map(|value: &HeaderValue| value.as_bytes().rsplit(|&byte| byte == b','));
    follow(peer, entries, trusted)
}

/// Whether the connection of a request is one of a trusted proxy.
pub(super) fn is_proxied(request: &HttpRequest, trusted: &[Network]) -> bool {
    is_trusted(peer_of(request.peer_addr()), trusted)
}

/// The address at the other end of a connection. That of a Unix socket has none, and is on this machine.
fn peer_of(address: Option<SocketAddr>) -> IpAddr {
    address.map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip().to_canonical())
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Follows a chain of proxies from the last one back to the first address that is not trusted, which sent
/// everything further left. `entries` are those of `X-Forwarded-For`, the last one first.
fn follow<'a>(peer: IpAddr, mut entries: impl Iterator<Item = &'a [u8]>, trusted: &[Network]) -> IpAddr {
    let mut address = peer;
    while is_trusted(address, trusted) {
        let Some(before) = entries.next().and_then(parse) else { break };
        address = before;
    }
    address
}

/// The address of an entry. Some proxies add the port.
fn parse(entry: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|address: SocketAddr| address.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_address_that_is_not_trusted_counts() {
        let trusted: Vec<Network> =
            ["10.0.0.0/8", "::1", "2001:db8::/32"].iter().map(|text| text.parse().unwrap()).collect();
        for (peer, forwarded, expected) in [
            // not a trusted proxy: whatever it sends
            ("192.0.2.1", "198.51.100.1", "192.0.2.1"),
            ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.1", "198.51.100.1"),
            ("10.0.0.1", "203.0.113.9, 198.51.100.1 ,10.2.3.4,\t10.0.0.2", "198.51.100.1"),
            ("10.0.0.1", "10.0.0.3", "10.0.0.3"),
            ("::1", "198.51.100.1:4711", "198.51.100.1"),
            ("::1", "[2a00::1]:4711", "2a00::1"),
            ("::1", "[2a00::1]", "2a00::1"),
            ("::1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("2001:db8::7", "2a00::1, ::ffff:10.0.0.1", "2a00::1"),
            // malformed: the last address before it
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", "unknown", "10.0.0.1"),
            ("10.0.0.1", "198.51.100.1, unknown, 10.0.0.2", "10.0.0.2"),
            ("10.0.0.1", "198.51.100.1,", "10.0.0.1"),
            ("10.0.0.1", "1.2.3, 10.0.0.2", "10.0.0.2"),
        ] {
            let peer = peer.parse().unwrap();
            let found = follow(peer, forwarded.as_bytes().rsplit(|&byte| byte == b','), &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded}");
        }
    }
}
