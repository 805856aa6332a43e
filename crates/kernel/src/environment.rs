//! The floating-point environment the specification assumes.

/// The thread's floating-point control register differs from the IEEE default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "floating-point control register is {register:#x}: {fault}; a library in this process \
     changed it, restore the default before computing"
)]
pub struct EnvironmentError {
    /// The register (MXCSR on x86-64, FPCR on AArch64) as read.
    pub register: u64,
    /// What is wrong with it.
    pub fault: &'static str,
}

/// Checks that the calling thread rounds to nearest even and keeps subnormals.
///
/// # Errors
/// When another library set flush-to-zero, denormals-are-zero or a rounding mode.
pub fn check_environment() -> Result<(), EnvironmentError> {
    let register = control_register();
    match fault(register) {
        None => Ok(()),
        Some(fault) => Err(EnvironmentError { register, fault }),
    }
}

#[cfg(target_arch = "x86_64")]
fn control_register() -> u64 {
    let mut mxcsr: u32 = 0;
    // SAFETY: STMXCSR writes four bytes to the pointed-to local and nothing else.
    unsafe {
        core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut mxcsr, options(nostack, preserves_flags));
    }
    u64::from(mxcsr)
}

#[cfg(target_arch = "x86_64")]
fn fault(register: u64) -> Option<&'static str> {
    const DENORMALS_ARE_ZERO: u64 = 1 << 6;
    const ROUNDING: u64 = 3 << 13;
    const FLUSH_TO_ZERO: u64 = 1 << 15;
    if register & ROUNDING != 0 {
        Some("rounding is not to nearest even")
    } else if register & FLUSH_TO_ZERO != 0 {
        Some("subnormal results are flushed to zero")
    } else if register & DENORMALS_ARE_ZERO != 0 {
        Some("subnormal operands are read as zero")
    } else {
        None
    }
}

#[cfg(target_arch = "aarch64")]
fn control_register() -> u64 {
    let fpcr: u64;
    // SAFETY: reads a register, touches no memory.
    unsafe {
        core::arch::asm!("mrs {}, fpcr", out(reg) fpcr, options(nomem, nostack, preserves_flags));
    }
    fpcr
}

#[cfg(target_arch = "aarch64")]
fn fault(register: u64) -> Option<&'static str> {
    const ROUNDING: u64 = 3 << 22;
    const FLUSH_TO_ZERO: u64 = 1 << 24;
    const ALTERNATE: u64 = 0b11;
    if register & ROUNDING != 0 {
        Some("rounding is not to nearest even")
    } else if register & (FLUSH_TO_ZERO | ALTERNATE) != 0 {
        Some("subnormals are flushed to zero")
    } else {
        None
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn control_register() -> u64 {
    0
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn fault(_register: u64) -> Option<&'static str> {
    None
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
