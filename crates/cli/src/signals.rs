//! How a long-running command is told to stop, and what must not stop any.
//!
//! SIGINT (Ctrl-C), SIGTERM and SIGHUP (the terminal is closed) stop it cleanly; a second one
//! ends it at once. Under `nohup`, which ignores SIGHUP for the programs it starts, SIGHUP stays
//! ignored.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;

/// Exit code after a second signal.
const AT_ONCE: i32 = 130;

/// The signals that stop a command.
pub(crate) struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Option<Signal>,
}

/// SIGXFSZ: a limit on the size of files (`ulimit -f`) was met.
const TOO_LARGE: i32 = 25;

/// Makes a file that may not grow further an error with a reason, where the system would end the
/// process without a word.
pub(crate) fn catch_limits() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _entered = runtime.enter();
    // Once caught it stays caught, whoever listens.
    signal(SignalKind::from_raw(TOO_LARGE)).map(drop)
}

impl Stop {
    /// Listens for the signals from now on; needs a runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let on = |kind| signal(kind).map_err(anyhow::Error::from);
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            terminate: on(SignalKind::terminate())?,
            hang_up: match ignored(SignalKind::hangup()) {
                true => None,
                false => Some(on(SignalKind::hangup())?),
            },
        })
    }

    /// Waits for the first signal.
    pub(crate) async fn wait(&mut self) {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hang_up => {}
        }
    }

    /// From now on a signal ends the process at once: whoever sends a second one does not want to
    /// wait for the rest to be stopped.
    pub(crate) fn at_once(mut self) {
        tokio::spawn(async move {
            self.wait().await;
            std::process::exit(AT_ONCE);
        });
    }
}

/// Whether whoever started this process had it ignore a signal.
fn ignored(kind: SignalKind) -> bool {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else {
        return false;
    };
    is_in_mask(&status, kind.as_raw_value())
}

fn is_in_mask(status: &str, signal: i32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| signal > 0 && mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_read_from_the_mask() {
        let status = "Name:\tassay\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert!(is_in_mask(status, 1) && is_in_mask(status, 13));
        assert!(!is_in_mask(status, 2) && !is_in_mask("", 1) && !is_in_mask("SigIgn:\tx", 1));
    }
}
