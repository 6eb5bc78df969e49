//! Which machines a request may go to.
//!
//! An address in a configuration, or the name server behind it, must not make
//! runwatch talk to what only this machine can reach: the metadata service of a
//! cloud, a socket on loopback, the network of the house. The check is made on
//! the very addresses that are connected to, so a name that changes its mind
//! between check and connection, or a number in an odd notation, gets nowhere.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// As many addresses as the resolver's answer holds.
const MAX_ADDRESSES: usize = 16;

/// What may be connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// Addresses of the internet only.
    Public,
    /// Also loopback and private networks.
    Private,
    /// Whatever the name leads to: the operator has named this proxy, and which
    /// targets are allowed is the proxy's to say.
    Proxy,
}

/// Why an address is not connected to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    host: String,
    address: IpAddr,
    reach: Reach,
}

/// Who can be reached at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Anyone on the internet.
    Public,
    /// This machine, or a network of the house.
    Private(&'static str),
    /// What no alert belongs to.
    Never(&'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            address,
            reach,
        } = self;
        match reach {
            Reach::Private(what) => write!(
                to,
                "`{host}` leads to {address}, {what}; if that is meant, write `allow-private = \
                 true` in the sink's section"
            ),
            Reach::Never(what) => write!(
                to,
                "`{host}` leads to {address}, {what}: no alert is sent there"
            ),
            Reach::Public => write!(to, "`{host}` leads to {address}"),
        }
    }
}

impl std::error::Error for Refused {}

impl Guard {
    fn allows(self, reach: Reach) -> bool {
        match (self, reach) {
            (Self::Proxy, _) | (_, Reach::Public) => true,
            (_, Reach::Never(_)) => false,
            (guard, Reach::Private(_)) => guard == Self::Private,
        }
    }

    /// Those of the addresses that may be connected to; never none.
    fn keep(
        self,
        host: &str,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, ureq::Error> {
        let mut refused = None;
        let mut kept = Vec::new();
        for socket in found {
            let reach = reach(socket.ip());
            if self.allows(reach) {
                kept.push(socket);
            } else {
                refused.get_or_insert(Refused {
                    host: host.to_owned(),
                    address: socket.ip(),
                    reach,
                });
            }
        }
        match (kept.is_empty(), refused) {
            (false, _) => Ok(kept),
            (true, Some(refused)) => Err(ureq::Error::Other(Box::new(refused))),
            (true, None) => Err(ureq::Error::HostNotFound),
        }
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        _config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let bad = || ureq::Error::BadUri("there is no host in it".to_owned());
        let (scheme, authority) = uri.scheme().zip(uri.authority()).ok_or_else(bad)?;
        let name = DefaultResolver::host_and_port(scheme, authority).ok_or_else(bad)?;
        let found = look_up(name, timeout)?;
        let mut addresses = self.empty();
        for address in self
            .keep(authority.host(), found)?
            .into_iter()
            .take(MAX_ADDRESSES)
        {
            addresses.push(address);
        }
        Ok(addresses)
    }
}

/// The addresses of a name. The system's resolver knows no timeout, so it runs
/// in a thread of its own, which is left to itself when it takes too long.
fn look_up(
    name: String,
    timeout: NextTimeout,
) -> Result<impl Iterator<Item = SocketAddr>, ureq::Error> {
    let (tell, told) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name("resolver".to_owned())
        .spawn(move || {
            // Nobody may be left to hear it.
            let _ = tell.send(name.to_socket_addrs());
        })?;
    match told.recv_timeout(*timeout.after) {
        Ok(found) => Ok(found?),
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ureq::Error::Timeout(timeout.reason)),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the resolver died").into())
        }
    }
}

fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => reach_v4(inner),
            None => reach_v6(address),
        },
    }
}

const METADATA: Reach = Reach::Never("the metadata service of a cloud");

/// By the registry of special addresses (RFC 6890 and its updates).
fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        // AWS and most others, Alibaba, Oracle, Azure.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [192, 0, 0, 192] | [168, 63, 129, 16] => {
            METADATA
        }
        [169, 254, ..] => Reach::Never("a link-local address"),
        [0, ..] => Reach::Never("an unspecified address"),
        [224..=239, ..] => Reach::Never("a multicast address"),
        [240..=255, ..] => Reach::Never("a reserved address"),
        [127, ..] => Reach::Private("a loopback address"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Reach::Private("a private address"),
        [100, 64..=127, ..] => Reach::Private("a shared address (carrier or VPN)"),
        [192, 0, 0, _] | [198, 18..=19, ..] => Reach::Private("a special address"),
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        // AWS, Google.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => {
            METADATA
        }
        [0, 0, 0, 0, 0, 0, 0, 0] => Reach::Never("an unspecified address"),
        [0, 0, 0, 0, 0, 0, 0, 1] => Reach::Private("a loopback address"),
        [0xfe80..=0xfebf, ..] => Reach::Never("a link-local address"),
        [0xff00..=0xffff, ..] => Reach::Never("a multicast address"),
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Reach::Private("a private address"),
        [0x64, 0xff9b, 1, ..] => Reach::Private("an address that the network translates"),
        _ => Reach::Public,
    }
}

/// The IPv4 address that an IPv6 address stands for: mapped, compatible,
/// translated (NAT64) or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let (high, low) = match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0) if g != 0 => (g, h),
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) => (g, h),
        (0x64, 0xff9b, 0, 0, 0, 0) => (g, h),
        (0x2002, high, low, ..) => (high, low),
        _ => return None,
    };
    Some(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn verdict(address: &str) -> &'static str {
        let reach = reach(address.parse().unwrap());
        match (Guard::Public.allows(reach), Guard::Private.allows(reach)) {
            (true, true) => "public",
            (false, true) => "private",
            (false, false) => "never",
            (true, false) => panic!("{address}"),
        }
    }

    #[test]
    fn the_table() {
        for (addresses, expected) in [
            (
                "1.1.1.1 8.8.8.8 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 192.169.0.1 \
                 169.253.0.1 2606:4700::1111 64:ff9b::808:808 2002:808:808:: ::ffff:8.8.8.8",
                "public",
            ),
            (
                "127.0.0.1 127.255.0.1 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 \
                 198.18.0.1 ::1 fc00::1 fd12:3456::1 fec0::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 \
                 ::10.0.0.1 64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:c0a8:101::1",
                "private",
            ),
            (
                "169.254.169.254 169.254.0.1 100.100.100.200 168.63.129.16 192.0.0.192 0.0.0.0 \
                 0.1.2.3 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 :: fe80::1 \
                 febf::1 ff02::1 fd00:ec2::254 fd20:ce::254 ::ffff:169.254.169.254 \
                 ::ffff:0.0.0.0 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe::",
                "never",
            ),
        ] {
            for address in addresses.split_whitespace() {
                assert_eq!(verdict(address), expected, "{address}");
            }
        }
    }

    #[test]
    fn of_many_addresses_the_allowed_ones_stay() {
        let sockets = |list: &[&str]| -> Vec<SocketAddr> {
            list.iter().map(|text| text.parse().unwrap()).collect()
        };
        let mixed = sockets(&["10.0.0.1:443", "1.1.1.1:443", "169.254.169.254:443"]);
        let keep = |guard: Guard| guard.keep("hook.example", mixed.iter().copied()).unwrap();
        assert_eq!(keep(Guard::Public), sockets(&["1.1.1.1:443"]));
        assert_eq!(
            keep(Guard::Private),
            sockets(&["10.0.0.1:443", "1.1.1.1:443"])
        );
        assert_eq!(keep(Guard::Proxy), mixed);
        let error = Guard::Public
            .keep("hook.example", sockets(&["10.0.0.1:443"]).into_iter())
            .unwrap_err()
            .to_string();
        assert!(error.contains("10.0.0.1"), "{error}");
        assert!(error.contains("`allow-private = true`"), "{error}");
        assert!(matches!(
            Guard::Private.keep("hook.example", std::iter::empty()),
            Err(ureq::Error::HostNotFound)
        ));
    }
}
