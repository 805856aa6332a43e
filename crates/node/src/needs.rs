//! What a node needs of its machine: open files, room on the disk, ports. Checked before
//! anything is written, since running out later ends the node in the middle of its work.

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub(crate) use assay_api::advice;

/// Open files of a process besides its nodes'.
const FILES_OF_A_PROCESS: u64 = 64;
/// Open files of a validator in its first days: a file of the journal for each of the last 256
/// views, databases, archives, connections.
const FILES_OF_A_VALIDATOR: u64 = 340;
/// Open files of any other node.
const FILES_OF_A_NODE: u64 = 24;

/// Below this much room a node does not start, and a running one stops while it still can.
pub(crate) const LEAST_ROOM: u64 = 64 << 20;
/// Below this much room a node warns.
pub(crate) const LITTLE_ROOM: u64 = 1 << 30;

/// Something the machine does not give.
#[derive(Debug, thiserror::Error)]
pub enum NeedError {
    /// Too few open files are allowed.
    #[error(
        "this process may have {allowed} open files, but {nodes} in it take about {needed}: raise the limit with `ulimit -n {needed}` (or LimitNOFILE= in a systemd unit) and start again"
    )]
    Files {
        /// The hard limit.
        allowed: u64,
        /// What is needed.
        needed: u64,
        /// Who needs it.
        nodes: String,
    },
    /// Too little room on the disk.
    #[error("{} has {} MiB of room left, and a node needs {} MiB: free some, or choose a directory on another disk", .dir.display(), .free >> 20, LEAST_ROOM >> 20)]
    Room {
        /// The directory.
        dir: PathBuf,
        /// Bytes that can be written there.
        free: u64,
    },
    /// The disk cannot be asked.
    #[error("cannot find out how much room {} has", .dir.display())]
    Disk {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A port cannot be used.
    #[error("`{setting}` cannot be {protocol} {address}: {}", advice(*.address, .source))]
    Port {
        /// The setting that names it.
        setting: String,
        /// `tcp` or `udp`.
        protocol: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Raises the number of files that this process may open as far as it is allowed to, and refuses
/// when that is too few for `validators` and `others`.
///
/// # Errors
/// [`NeedError::Files`].
pub(crate) fn files(validators: usize, others: usize) -> Result<(), NeedError> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // Where it cannot be raised, what is allowed now has to do.
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    enough_files(allowed, validators, others)
}

fn enough_files(allowed: Option<u64>, validators: usize, others: usize) -> Result<(), NeedError> {
    let needed = FILES_OF_A_PROCESS
        + FILES_OF_A_VALIDATOR * validators as u64
        + FILES_OF_A_NODE * others as u64;
    match allowed {
        Some(allowed) if allowed < needed => Err(NeedError::Files {
            allowed,
            needed: needed.next_multiple_of(64),
            nodes: match validators + others {
                1 => "one node".to_owned(),
                count => format!("{count} nodes"),
            },
        }),
        _ => Ok(()),
    }
}

/// Files that are open and files that may be, where the system tells.
pub(crate) fn open_files() -> Option<(u64, u64)> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some((open, getrlimit(Resource::Nofile).current?))
}

/// Bytes that can be written in `dir`, which need not exist yet.
///
/// # Errors
/// What the system said.
pub(crate) fn room(dir: &Path) -> io::Result<u64> {
    let mut at = dir;
    loop {
        match rustix::fs::statvfs(at) {
            Ok(about) => return Ok(about.f_bavail.saturating_mul(about.f_frsize)),
            Err(rustix::io::Errno::NOENT) => match at.parent() {
                Some(parent) if parent.as_os_str().is_empty() => at = Path::new("."),
                Some(parent) => at = parent,
                None => return Err(io::ErrorKind::NotFound.into()),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// What is short while something fails in `dir`: engines report a failed write, not why it failed.
pub(crate) fn shortage(dir: &Path) -> Option<String> {
    if let Ok(free) = room(dir)
        && free < LEAST_ROOM
    {
        return Some(format!(
            "the disk is full: {} has {} MiB of room left",
            dir.display(),
            free >> 20
        ));
    }
    let (open, allowed) = open_files()?;
    (open + 8 >= allowed).then(|| format!("{open} of {allowed} files are open: raise `ulimit -n`"))
}

/// Refuses a directory with too little room.
///
/// # Errors
/// [`NeedError::Room`], [`NeedError::Disk`].
pub(crate) fn enough_room(dir: &Path) -> Result<(), NeedError> {
    let free = room(dir).map_err(|source| NeedError::Disk {
        dir: dir.to_owned(),
        source,
    })?;
    match free < LEAST_ROOM {
        true => Err(NeedError::Room {
            dir: dir.to_owned(),
            free,
        }),
        false => Ok(()),
    }
}

/// Whether a TCP port can be listened on now.
///
/// # Errors
/// [`NeedError::Port`] names the setting and what to do.
pub(crate) fn tcp(setting: &str, address: SocketAddr) -> Result<(), NeedError> {
    TcpListener::bind(address)
        .map(drop)
        .map_err(|source| NeedError::Port {
            setting: setting.to_owned(),
            protocol: "tcp",
            address,
            source,
        })
}

/// Whether a UDP port can be listened on now.
///
/// # Errors
/// [`NeedError::Port`] names the setting and what to do.
pub(crate) fn udp(setting: &str, address: SocketAddr) -> Result<(), NeedError> {
    UdpSocket::bind(address)
        .map(drop)
        .map_err(|source| NeedError::Port {
            setting: setting.to_owned(),
            protocol: "udp",
            address,
            source,
        })
}
