//! Whether a file is on another machine.
//!
//! SQLite's write-ahead log needs memory that all its users share, which a
//! network file system does not give (<https://sqlite.org/wal.html>); nor are
//! locks to be trusted there.

use std::path::Path;

/// Numbers by which the kernel names network file systems (`linux/magic.h`, and
/// for those outside of the kernel their own sources).
#[cfg(target_os = "linux")]
const REMOTE: &[u32] = &[
    0x0000_6969, // NFS
    0x0000_517b, // SMB
    0xfe53_4d42, // SMB2
    0xff53_4d42, // CIFS
    0x0102_1997, // 9P
    0x00c3_6400, // Ceph
    0x5346_414f, // AFS
    0x0bd0_0bd0, // Lustre
    0x4750_4653, // GPFS
    0x1983_0326, // BeeGFS
    0x0116_1970, // GFS2
    0x7461_636f, // OCFS2
    0x6573_5546, // FUSE: sshfs, S3, Gluster, …
];

/// Whether the file system is one of those. False where that cannot be told.
#[cfg(target_os = "linux")]
pub(super) fn is_remote(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|about| is_remote_type(about.f_type as u32))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_remote(_: &Path) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn is_remote_type(number: u32) -> bool {
    REMOTE.contains(&number)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn types() {
        let (ext4, tmpfs, overlay) = (0xef53, 0x0102_1994, 0x794c_7630);
        for local in [ext4, tmpfs, overlay] {
            assert!(!is_remote_type(local));
        }
        assert!(is_remote_type(0x6969) && is_remote_type(0x0bd0_0bd0));
        assert!(!is_remote(Path::new("/proc")));
    }
}
