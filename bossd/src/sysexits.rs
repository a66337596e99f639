//! The exit statuses of bossd, as sysexits.h has them: the service manager and the executor judge
//! by them whether a restart could help.

/// Everything ended in order.
pub const OK: u8 = 0;
/// The state directory cannot be believed (EX_DATAERR): a restart does not help.
pub const DATA: u8 = 65;
/// Both processes kept dying (EX_SOFTWARE).
pub const SOFTWARE: u8 = 70;
/// The system refuses something needed (EX_OSERR).
pub const SYSTEM: u8 = 71;
/// What is on the disk is not known any more (EX_IOERR).
pub const IO: u8 = 74;
/// Another bossd is running (EX_TEMPFAIL).
pub const BUSY: u8 = 75;
/// The configuration or a certificate is wrong (EX_CONFIG): a restart does not help.
pub const CONFIG: u8 = 78;

/// Whether an elector that ends like this would only end the same way again.
pub const fn is_final(status: u8) -> bool {
    matches!(status, DATA | BUSY | CONFIG)
}
