//! The one table of what gopark does otherwise than Go, on purpose, and why.
//!
//! Whoever compares with a recording compares through this table, so a difference that does not stand
//! here fails a test. `docs/differences.md` is written from it; `tests/golden_table.rs` looks after both.
//!
//! | table      | what it has                                                                       |
//! |------------|-----------------------------------------------------------------------------------|
//! | `GENERAL`  | what differs wherever it is met, each with the test that holds our side of it      |
//! | `LINES`    | lines of recordings without a counterpart here                                     |
//! | `CHANGED`  | lines of recordings in whose place another one stands                              |
//! | `PARTS`    | no differences: lines of recordings that have a test of their own                  |

/// What differs wherever it is met.
#[derive(Debug)]
pub struct General {
    pub go: &'static str,
    pub gopark: &'static str,
    pub why: &'static str,
    /// The file and the name of a test.
    pub held_by: (&'static str, &'static str),
}

pub const GENERAL: &[General] = &[
    General {
        go: "the end of a stream is the error `io.EOF`",
        gopark: "it is `Ok(0)`",
        why: "it is so for every reader in Rust; tests print `EOF` for `Ok(0)` of a buffer that was not empty",
        held_by: (
            "tests/tcp_golden_io.rs",
            "the_end_of_the_stream_comes_after_the_data_and_stays",
        ),
    },
    General {
        go: "an error is an `error`, and `errors.As` finds the `net.OpError` in it",
        gopark: "it is a `std::io::Error` with a fitting `ErrorKind`; the `OpError` is inside, and `NetError` asks it",
        why: "whatever reads and writes in Rust has this type of error",
        held_by: (
            "tests/net_errors.rs",
            "what_an_operation_knows_is_reachable_through_a_plain_io_error",
        ),
    },
    General {
        go: "`Write` returns a count and an error together",
        gopark: "the error has the count (`NetError::bytes`); std's `Write::write` returns the count, and the error comes from the next call",
        why: "a `Result` is one of the two; `write_all` and its like rest on std's contract",
        held_by: (
            "tests/tcp_contract.rs",
            "a_partial_write_through_std_counts_and_its_error_comes_from_the_next_one",
        ),
    },
    General {
        go: "names are looked up by a resolver of Go's own, which says whom it asked, or by the C library",
        gopark: "by the C library, and errors have the text of that (cgo) resolver, without a server",
        why: "a program in Rust should find the names that every other program of the machine finds; `Resolver::new` takes a function in its place",
        held_by: (
            "tests/net_resolver.rs",
            "what_a_resolver_says_reaches_the_caller_and_limits_are_told_as_go_tells_them",
        ),
    },
    General {
        go: "listeners use Multipath TCP where the kernel has it",
        gopark: "they are plain TCP unless `ListenConfig::multipath_tcp` asks for the other",
        why: "a socket of another protocol should be the program's decision",
        held_by: (
            "tests/tcp_golden_listen.rs",
            "new_connections_have_gos_options_whichever_side_they_are_on",
        ),
    },
    General {
        go: "nil: no address, no connection, no error",
        gopark: "there is none: an `Option` where one may be missing, otherwise a value of its type",
        why: "what cannot be written down cannot fail",
        held_by: (
            "tests/net_addresses.rs",
            "addresses_print_as_by_the_recorded_go_program",
        ),
    },
    General {
        go: "an IPv4 address may have 4 or 16 bytes",
        gopark: "it has its one form, and IPv4 in IPv6 form is shown as IPv4",
        why: "`std::net::IpAddr` says which of the two it is",
        held_by: (
            "tests/udp_contract.rs",
            "a_socket_of_both_families_talks_to_both",
        ),
    },
    General {
        go: "a `context.Context` ends a dial and carries values; hooks have a form with it",
        gopark: "a `CancelToken` and a deadline end it; a hook is a closure, which carries what it needs",
        why: "closures of Rust capture their surroundings",
        held_by: (
            "tests/net_dial_cancel.rs",
            "cancelling_ends_every_dial_that_waits_with_the_token_and_no_other",
        ),
    },
    General {
        go: "`ListenPacket` on `unix` or `unixpacket` makes a listening socket, with which nothing can be received",
        gopark: "`listen_packet` there fails: `unexpected address type`",
        why: "as on `tcp`; nobody can want what Go returns",
        held_by: (
            "tests/golang_error.rs",
            "a_listener_that_cannot_be_says_where_it_should_have_been_and_why",
        ),
    },
    General {
        go: "a connection that nobody refers to is closed by a finalizer, some time",
        gopark: "it is closed when the last clone is dropped",
        why: "values of Rust end where they are dropped",
        held_by: (
            "tests/tcp_golden_close.rs",
            "dropping_the_last_clone_closes_and_dropping_another_does_not",
        ),
    },
    General {
        go: "the end of the program ends every operation with its process",
        gopark: "the end of a runtime ends them with an error that `is_shutdown`",
        why: "a process goes on after a runtime, and may have several",
        held_by: (
            "tests/runtime_shutdown.rs",
            "every_kind_of_blocked_call_ends_and_so_do_the_threads",
        ),
    },
];

/// Lines of recordings without a counterpart: (program, how they begin, why there is none).
pub const LINES: &[(&str, &str, &str)] = &[
    (
        "addr_strings",
        r#"*net.TCPAddr: "10.1.2.3:-1""#,
        "a port is a `u16`",
    ),
    (
        "addr_strings",
        r#"*net.TCPAddr: "10.1.2.3:70000""#,
        "a port is a `u16`",
    ),
    (
        "addr_strings",
        r#"*net.TCPAddr: "?010203:1""#,
        "an IP address has 4 or 16 bytes",
    ),
    (
        "addr_strings",
        r#"*net.TCPAddr: "<nil>""#,
        "no address is `None`",
    ),
    (
        "addr_strings",
        r#"*net.UDPAddr: "<nil>""#,
        "no address is `None`",
    ),
    (
        "addr_strings",
        r#"*net.IPAddr: "<nil>""#,
        "no address is `None`",
    ),
    (
        "addr_strings",
        r#"*net.UnixAddr: "<nil>""#,
        "no address is `None`",
    ),
    (
        "addr_strings",
        r#"*net.UnixAddr: "" network="""#,
        "the kind of a Unix socket is an enum",
    ),
    ("addr_strings", "nil IP prints", "no address is `None`"),
    (
        "addr_strings",
        "bad IP prints",
        "an IP address has 4 or 16 bytes",
    ),
    (
        "addr_strings",
        "AddrPort of TCPAddr",
        "std's `SocketAddr` has no mapped form of its own",
    ),
    (
        "addr_strings",
        "AddrPort of nil TCPAddr",
        "no address is `None`",
    ),
    (
        "dial_bad_network",
        "DialTCP nil raddr",
        "an address cannot be left out",
    ),
    (
        "dial_bad_network",
        "DialUDP nil raddr",
        "an address cannot be left out",
    ),
    (
        "dial_bad_network",
        "ListenTCP udp",
        "an address cannot be left out: the error names the one given",
    ),
    (
        "dial_bad_network",
        "ListenUDP tcp",
        "an address cannot be left out: the error names the one given",
    ),
    (
        "dial_bad_network",
        "ListenUnix nil",
        "an address cannot be left out",
    ),
    (
        "dial_bad_network",
        "ListenUnixgram unix",
        "`listen_unixgram` has no network that could be wrong",
    ),
    (
        "dial_control",
        "ControlContext wins",
        "there is one hook: a closure brings along what it needs",
    ),
    (
        "error_formatting",
        r#""<nil>""#,
        "there is no nil error: `Option` says it",
    ),
    (
        "error_formatting",
        r#""EOF""#,
        "the end of a stream is `Ok(0)`",
    ),
    (
        "error_formatting",
        r#""short write""#,
        "std's writers report `WriteZero`",
    ),
    (
        "error_formatting",
        r#""context canceled""#,
        "there are no contexts; `Cause::Cancelled` prints what package `net` prints",
    ),
    (
        "error_formatting",
        r#""context deadline exceeded""#,
        "there are no contexts; `Timeout::Context` prints what package `net` prints",
    ),
    (
        "error_formatting",
        "os.NewSyscallError(nil)",
        "there is no nil error",
    ),
    (
        "file_dup",
        "close file",
        "`file_conn` takes the descriptor over, so nothing is left to close",
    ),
    (
        "framed_protocol",
        "bufio Peek",
        "std's `BufReader` cannot look ahead",
    ),
    (
        "local_closed_ops",
        "SyscallConn",
        "`with_fd`, `raw_read` and `raw_write` are the connection's own, and nothing comes before them",
    ),
    (
        "local_closed_ops",
        "zero TCP",
        "there is no connection without a descriptor",
    ),
    (
        "read_eof",
        "err == io.EOF",
        "the end of a stream is `Ok(0)`, which is no error to compare",
    ),
    (
        "resolver_errors",
        "queries so far",
        "a resolver is asked once for both families, and never of names it need not know",
    ),
    (
        "resolver_errors",
        "LookupIPAddr foo.onion",
        "`LookupHost` and `LookupIPAddr` are one function",
    ),
    (
        "resolver_errors",
        "Resolver.Dial",
        "a resolver is a function, which says itself what failed",
    ),
    (
        "resolver_errors",
        "Dial with it",
        "a resolver is a function, which says itself what failed",
    ),
    (
        "udp_addrs",
        "  from ip-len",
        "an address has no length of its own",
    ),
    (
        "udp_addrs",
        "ReadFromUDPAddrPort on [::]",
        "addresses are never in mapped form, as with Go's ReadFromUDP",
    ),
    (
        "udp_basic",
        "WriteToUDP(nil) on",
        "an address cannot be left out",
    ),
    (
        "udp_basic",
        "WriteToUDPAddrPort invalid",
        "an address cannot be invalid",
    ),
    (
        "udp_basic",
        "zero UDPConn",
        "there is no socket without a descriptor",
    ),
    (
        "write_blocks_and_resumes",
        "ReadFull at EOF",
        "std's `read_exact` has its own error",
    ),
];

/// A line of a recording in whose place another one stands.
#[derive(Debug)]
pub struct Changed {
    pub program: &'static str,
    /// The line before it.
    pub after: &'static str,
    pub go: &'static str,
    pub gopark: &'static str,
    pub why: &'static str,
}

pub const CHANGED: &[Changed] = &[
    Changed {
        program: "framed_protocol",
        after: "--- closed right after the header",
        go: r#"server: "EOF" timeout=- temporary=- is=[io.EOF] chain=[EOF]"#,
        gopark: r#"server: "unexpected EOF" timeout=- temporary=- is=[io.ErrUnexpectedEOF] chain=[ErrUnexpectedEOF]"#,
        why: "Go's program takes the body in a read of its own, which then sees nothing but the end; ours knows that it is inside a frame",
    },
    Changed {
        program: "sockopt_defaults",
        after: "",
        go: "listener: SO_REUSEADDR=1 SO_REUSEPORT=0 SO_ACCEPTCONN=1 SO_PROTOCOL=262",
        gopark: "listener: SO_REUSEADDR=1 SO_REUSEPORT=0 SO_ACCEPTCONN=1 SO_PROTOCOL=6",
        why: "listeners are plain TCP",
    },
];

/// Lines that a test of its own compares: (program, name of the part, how its lines begin).
pub const PARTS: &[(&str, &str, &str)] = &[
    ("addr_parse_errors", "dial", "Dial tcp 127.0.0.1:HTTP:"),
    ("close_unblocks", "udp", "pending UDP"),
    ("close_unblocks", "unix", "pending unix"),
    ("dial_bad_network", "resolve", "Resolve"),
];
