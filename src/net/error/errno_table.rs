//! The texts of Linux error numbers, as Go prints them.
//!
//! libc's `strerror` says nearly the same, but starts with a capital, changes with the C library and
//! the locale, and allocates. Logs that are grepped for `connection refused` need text that never
//! moves, so the table is ours. The only wording that differs from glibc beyond the first letter is
//! 116, where Go kept the older kernel name.

/// Texts by error number; a hole (`""`) prints as `errno N`.
const TEXTS: [&str; 133] = {
    let mut texts = [""; 133];
    texts[1] = "operation not permitted";
    texts[2] = "no such file or directory";
    texts[3] = "no such process";
    texts[4] = "interrupted system call";
    texts[5] = "input/output error";
    texts[6] = "no such device or address";
    texts[7] = "argument list too long";
    texts[8] = "exec format error";
    texts[9] = "bad file descriptor";
    texts[10] = "no child processes";
    texts[11] = "resource temporarily unavailable";
    texts[12] = "cannot allocate memory";
    texts[13] = "permission denied";
    texts[14] = "bad address";
    texts[15] = "block device required";
    texts[16] = "device or resource busy";
    texts[17] = "file exists";
    texts[18] = "invalid cross-device link";
    texts[19] = "no such device";
    texts[20] = "not a directory";
    texts[21] = "is a directory";
    texts[22] = "invalid argument";
    texts[23] = "too many open files in system";
    texts[24] = "too many open files";
    texts[25] = "inappropriate ioctl for device";
    texts[26] = "text file busy";
    texts[27] = "file too large";
    texts[28] = "no space left on device";
    texts[29] = "illegal seek";
    texts[30] = "read-only file system";
    texts[31] = "too many links";
    texts[32] = "broken pipe";
    texts[33] = "numerical argument out of domain";
    texts[34] = "numerical result out of range";
    texts[35] = "resource deadlock avoided";
    texts[36] = "file name too long";
    texts[37] = "no locks available";
    texts[38] = "function not implemented";
    texts[39] = "directory not empty";
    texts[40] = "too many levels of symbolic links";
    texts[42] = "no message of desired type";
    texts[43] = "identifier removed";
    texts[44] = "channel number out of range";
    texts[45] = "level 2 not synchronized";
    texts[46] = "level 3 halted";
    texts[47] = "level 3 reset";
    texts[48] = "link number out of range";
    texts[49] = "protocol driver not attached";
    texts[50] = "no CSI structure available";
    texts[51] = "level 2 halted";
    texts[52] = "invalid exchange";
    texts[53] = "invalid request descriptor";
    texts[54] = "exchange full";
    texts[55] = "no anode";
    texts[56] = "invalid request code";
    texts[57] = "invalid slot";
    texts[59] = "bad font file format";
    texts[60] = "device not a stream";
    texts[61] = "no data available";
    texts[62] = "timer expired";
    texts[63] = "out of streams resources";
    texts[64] = "machine is not on the network";
    texts[65] = "package not installed";
    texts[66] = "object is remote";
    texts[67] = "link has been severed";
    texts[68] = "advertise error";
    texts[69] = "srmount error";
    texts[70] = "communication error on send";
    texts[71] = "protocol error";
    texts[72] = "multihop attempted";
    texts[73] = "RFS specific error";
    texts[74] = "bad message";
    texts[75] = "value too large for defined data type";
    texts[76] = "name not unique on network";
    texts[77] = "file descriptor in bad state";
    texts[78] = "remote address changed";
    texts[79] = "can not access a needed shared library";
    texts[80] = "accessing a corrupted shared library";
    texts[81] = ".lib section in a.out corrupted";
    texts[82] = "attempting to link in too many shared libraries";
    texts[83] = "cannot exec a shared library directly";
    texts[84] = "invalid or incomplete multibyte or wide character";
    texts[85] = "interrupted system call should be restarted";
    texts[86] = "streams pipe error";
    texts[87] = "too many users";
    texts[88] = "socket operation on non-socket";
    texts[89] = "destination address required";
    texts[90] = "message too long";
    texts[91] = "protocol wrong type for socket";
    texts[92] = "protocol not available";
    texts[93] = "protocol not supported";
    texts[94] = "socket type not supported";
    texts[95] = "operation not supported";
    texts[96] = "protocol family not supported";
    texts[97] = "address family not supported by protocol";
    texts[98] = "address already in use";
    texts[99] = "cannot assign requested address";
    texts[100] = "network is down";
    texts[101] = "network is unreachable";
    texts[102] = "network dropped connection on reset";
    texts[103] = "software caused connection abort";
    texts[104] = "connection reset by peer";
    texts[105] = "no buffer space available";
    texts[106] = "transport endpoint is already connected";
    texts[107] = "transport endpoint is not connected";
    texts[108] = "cannot send after transport endpoint shutdown";
    texts[109] = "too many references: cannot splice";
    texts[110] = "connection timed out";
    texts[111] = "connection refused";
    texts[112] = "host is down";
    texts[113] = "no route to host";
    texts[114] = "operation already in progress";
    texts[115] = "operation now in progress";
    texts[116] = "stale NFS file handle";
    texts[117] = "structure needs cleaning";
    texts[118] = "not a XENIX named type file";
    texts[119] = "no XENIX semaphores available";
    texts[120] = "is a named type file";
    texts[121] = "remote I/O error";
    texts[122] = "disk quota exceeded";
    texts[123] = "no medium found";
    texts[124] = "wrong medium type";
    texts[125] = "operation canceled";
    texts[126] = "required key not available";
    texts[127] = "key has expired";
    texts[128] = "key has been revoked";
    texts[129] = "key was rejected by service";
    texts[130] = "owner died";
    texts[131] = "state not recoverable";
    texts[132] = "operation not possible due to RF-kill";
    texts
};

/// The text of error number `errno`, if Go has one.
pub(super) fn text(errno: i32) -> Option<&'static str> {
    let text = *TEXTS.get(usize::try_from(errno).ok()?)?;
    (!text.is_empty()).then_some(text)
}
