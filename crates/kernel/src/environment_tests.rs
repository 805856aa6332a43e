use super::*;

#[test]
fn a_fresh_thread_is_clean() {
    assert_eq!(
        std::thread::spawn(check_environment).join().unwrap(),
        Ok(())
    );
}

#[cfg(target_arch = "x86_64")]
#[test]
fn flush_to_zero_is_noticed() {
    fn with_mxcsr(bits: u32) -> Result<(), EnvironmentError> {
        let old = control_register() as u32;
        let new = old | bits;
        // SAFETY: loads the control register of this thread and restores it before returning.
        unsafe {
            core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const new, options(nostack));
            let result = check_environment();
            core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const old, options(nostack));
            result
        }
    }
    for bits in [1 << 15, 1 << 6, 1 << 13] {
        assert!(with_mxcsr(bits).is_err(), "bit {bits:#x} went unnoticed");
    }
    assert_eq!(check_environment(), Ok(()));
}
