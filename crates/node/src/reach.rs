//! Which registered addresses are worth dialling.
//!
//! For one token anybody registers any address: a printer in our house, a database on our machine.
//! Whoever dials it knocks there in our name. So an address of one machine or one house is dialled
//! only in a network that lives on one machine or in one house, which its genesis says: the
//! addresses there are the founders', and were agreed on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use assay_ledger::Genesis;

/// The address by which this machine would reach another; nothing is sent.
pub(crate) fn own_ip(peer: SocketAddr) -> Option<IpAddr> {
    let any: SocketAddr = match peer {
        SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        SocketAddr::V6(_) => ([0u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(peer).ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_unspecified()).then_some(ip)
}

/// How far an address leads, and how near those of a network may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// This machine.
    Machine,
    /// Networks that are not the internet.
    House,
    /// The internet.
    World,
}

impl Reach {
    /// The nearest of a genesis' own addresses.
    pub fn of(genesis: &Genesis) -> Self {
        let validators = genesis.validators.iter().map(|v| v.address.as_str());
        let registered = genesis.registrations.iter().map(|r| r.address.as_str());
        validators
            .chain(registered)
            .filter_map(|text| Self::of_ip(text.parse::<SocketAddr>().ok()?.ip()))
            .min()
            .unwrap_or(Self::World)
    }

    /// Whether a node of this network may dial an address.
    pub fn includes(self, address: SocketAddr) -> bool {
        address.port() != 0 && Self::of_ip(address.ip()).is_some_and(|reach| reach >= self)
    }

    /// How far one address leads; `None` where it is nobody's.
    fn of_ip(ip: IpAddr) -> Option<Self> {
        match ip {
            IpAddr::V4(ip) => Self::of_v4(ip),
            IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
                Some(ip) => Self::of_v4(ip),
                None => Self::of_v6(ip),
            },
        }
    }

    fn of_v4(ip: Ipv4Addr) -> Option<Self> {
        let [a, b, ..] = ip.octets();
        // Carriers' own networks, benchmarks, and the block nobody has.
        let is_shared = a == 100 && (64..128).contains(&b);
        let is_benchmark = a == 198 && (b == 18 || b == 19);
        if a == 0 || a >= 240 || ip.is_multicast() || ip.is_documentation() {
            None
        } else if ip.is_loopback() {
            Some(Self::Machine)
        } else if ip.is_private() || ip.is_link_local() || is_shared || is_benchmark {
            Some(Self::House)
        } else {
            Some(Self::World)
        }
    }

    fn of_v6(ip: Ipv6Addr) -> Option<Self> {
        let is_documentation = ip.segments()[..2] == [0x2001, 0xdb8];
        if ip.is_unspecified() || ip.is_multicast() || is_documentation {
            None
        } else if ip.is_loopback() {
            Some(Self::Machine)
        } else if ip.is_unique_local() || ip.is_unicast_link_local() {
            Some(Self::House)
        } else {
            Some(Self::World)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use assay_api::ChainView;
    use assay_api::test_chain::TestChain;
    use assay_ledger::BoundedString;

    fn includes(reach: Reach, address: &str) -> bool {
        reach.includes(address.parse().unwrap())
    }

    #[test]
    fn a_public_network_dials_nobodys_house_and_machine() {
        for address in [
            "127.0.0.1:7001",
            "127.9.9.9:80",
            "10.0.0.1:7001",
            "172.16.5.4:22",
            "192.168.1.1:80",
            "169.254.169.254:80",
            "100.64.0.1:7001",
            "[::1]:7001",
            "[fe80::1]:7001",
            "[fd00::1]:7001",
            "[::ffff:127.0.0.1]:7001",
            "[::ffff:10.0.0.1]:7001",
        ] {
            assert!(!includes(Reach::World, address), "{address}");
            assert!(includes(Reach::Machine, address), "{address}");
        }
        for address in ["8.8.8.8:7001", "[2606:4700::1111]:7001"] {
            for reach in [Reach::World, Reach::House, Reach::Machine] {
                assert!(includes(reach, address), "{address}");
            }
        }
    }

    #[test]
    fn what_is_nobodys_address_is_never_dialled() {
        for address in [
            "0.0.0.0:7001",
            "255.255.255.255:7001",
            "224.0.0.1:7001",
            "192.0.2.1:7001",
            "[::]:7001",
            "[ff02::1]:7001",
            "[2001:db8::1]:7001",
            "8.8.8.8:0",
        ] {
            assert!(!includes(Reach::Machine, address), "{address}");
        }
    }

    #[test]
    fn the_genesis_says_how_near_addresses_may_be() {
        let mut genesis = TestChain::new().genesis().clone();
        assert_eq!(
            Reach::of(&genesis),
            Reach::Machine,
            "a network on one machine"
        );
        let mut at = |text: &str| {
            let address: BoundedString<256> = BoundedString::new(text).unwrap();
            let mut validators = genesis.validators.to_vec();
            validators[0].address = address.clone();
            genesis.validators = assay_ledger::BoundedVec::new(validators).unwrap();
            let mut registrations = genesis.registrations.to_vec();
            registrations[0].address = address;
            genesis.registrations = assay_ledger::BoundedVec::new(registrations).unwrap();
            Reach::of(&genesis)
        };
        assert_eq!(at("192.168.1.7:7001"), Reach::House);
        assert_eq!(at("8.8.8.8:7001"), Reach::World);
        assert_eq!(at("node.example.org:7001"), Reach::World);
        assert!(!Reach::House.includes("127.0.0.1:7001".parse().unwrap()));
    }
}
