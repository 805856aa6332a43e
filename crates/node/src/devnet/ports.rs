//! Ports for the nodes of a new network.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
};

use super::layout::LayoutError;

/// Free loopback ports, all held until every one is chosen so that none is given out twice.
///
/// They lie below the range from which the system takes ports for outgoing connections: a port
/// from that range may be gone again by the time its node starts. Networks that are laid out at the
/// same moment could still choose alike before their nodes start, so where all of 127.0.0.0/8 is
/// the machine's own, each has a random address there.
pub(super) struct Ports {
    host: IpAddr,
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
}

/// Where ports are looked for, and how often.
const FIRST_PORT: u16 = 10_000;
const PORTS: u16 = 20_000;
const TRIES: usize = 1_000;

impl Ports {
    pub(super) fn new() -> Result<Self, LayoutError> {
        let mut host = Ipv4Addr::LOCALHOST;
        if cfg!(target_os = "linux") {
            let [.., a, b, c] = getrandom::u32()
                .map_err(LayoutError::Randomness)?
                .to_le_bytes();
            // The last byte is no network's and no broadcast's.
            host = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
        }
        Ok(Self {
            host: host.into(),
            udp: Vec::new(),
            tcp: Vec::new(),
        })
    }

    pub(super) fn udp(&mut self) -> Result<SocketAddr, LayoutError> {
        let (socket, address) = find(self.host, UdpSocket::bind)?;
        self.udp.push(socket);
        Ok(address)
    }

    pub(super) fn tcp(&mut self) -> Result<SocketAddr, LayoutError> {
        self.tcp_on(self.host)
    }

    pub(super) fn tcp_on(&mut self, host: IpAddr) -> Result<SocketAddr, LayoutError> {
        let (listener, address) = find(host, TcpListener::bind)?;
        self.tcp.push(listener);
        Ok(address)
    }
}

/// Opens a socket on the first of some random ports of a host that is free.
fn find<T>(
    host: IpAddr,
    open: impl Fn(SocketAddr) -> io::Result<T>,
) -> Result<(T, SocketAddr), LayoutError> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..TRIES {
        let random = getrandom::u32().map_err(LayoutError::Randomness)?;
        let port = FIRST_PORT + (random % u32::from(PORTS)) as u16;
        let address = SocketAddr::new(host, port);
        match open(address) {
            Ok(socket) => return Ok((socket, address)),
            Err(error) => last = error,
        }
    }
    Err(LayoutError::Port(last))
}
