//! Whether this machine computes as specified.

use std::sync::{Arc, OnceLock};

use assay_kernel::{ConfigError, Kernel, SelfTestError};

/// Why this machine must not take part in jobs.
#[derive(Clone, Debug, thiserror::Error)]
pub enum MachineError {
    /// The arithmetic settings of this process are unusable.
    #[error("this machine cannot run the kernels")]
    Settings(#[source] Arc<ConfigError>),
    /// An operator gives other bits than the specification's.
    #[error("this machine does not compute as specified")]
    Bits(#[source] Arc<SelfTestError>),
}

/// Runs every operator once, as [`Kernel::self_test`], on the path and device that jobs will use; the
/// answer holds for the life of the process. Takes some tens of milliseconds, with a device some
/// seconds.
///
/// # Errors
/// [`MachineError`]: whoever trained or audited here would be slashed.
pub fn self_test() -> Result<(), MachineError> {
    static ANSWER: OnceLock<Result<(), MachineError>> = OnceLock::new();
    let check = || {
        let kernel = Kernel::detect().map_err(|error| MachineError::Settings(Arc::new(error)))?;
        let tested = kernel.self_test();
        tested.map_err(|error| MachineError::Bits(Arc::new(error)))
    };
    ANSWER.get_or_init(check).clone()
}

#[cfg(test)]
mod tests {
    #[test]
    fn this_machine_computes_as_specified() {
        super::self_test().unwrap();
    }
}
