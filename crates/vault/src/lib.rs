//! Keep encrypted files on other people's disks and prove it.
