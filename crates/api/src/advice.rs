//! What went wrong, in words for people.

use std::{io, net::SocketAddr};

use rustix::{
    io::Errno,
    process::{Resource, getrlimit},
};

/// An error with its causes in one line, for messages that cross a process boundary.
pub fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let told = cause.to_string();
        if !text.contains(&told) {
            text = format!("{text}: {told}");
        }
        source = cause.source();
    }
    text
}

/// What to do about an address that cannot be listened on.
pub fn advice(address: SocketAddr, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another process listens there; stop it, or choose another port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => format!(
            "this machine has no address {}; name one that it has, or {} for all of them",
            address.ip(),
            if address.is_ipv6() { "[::]" } else { "0.0.0.0" }
        ),
        io::ErrorKind::PermissionDenied if address.port() < 1024 => {
            "ports below 1024 are the system administrator's; choose a higher one".to_owned()
        }
        _ if is_out_of_files(error) => format!(
            "this process has no open file left; raise the limit with `ulimit -n` (it is {})",
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
        ),
        _ => "choose another address".to_owned(),
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    let out = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|code| out.contains(&code))
}
