// A server on Go's net package: a goroutine per connection and blocking calls. It echoes, or
// answers GET /plaintext with an HTTP parser that knows no more than that needs.
//
// `gopark bench` builds it with `go build` and starts it with the flags below.
package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
)

var (
	addr     = flag.String("addr", "127.0.0.1:7000", "where to listen")
	service  = flag.String("service", "echo", "echo, http, discard or work")
	workers  = flag.Int("workers", 1, "GOMAXPROCS")
	buffer   = flag.Int("buffer", 4096, "bytes of a read buffer")
	deadline = flag.Duration("deadline", 0, "set anew before every read")
)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(*workers)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	handle := map[string]func(net.Conn){
		"echo": echo, "http": serveHTTP, "discard": discard, "work": work,
	}[*service]
	if handle == nil {
		fmt.Fprintln(os.Stderr, "unknown service", *service)
		os.Exit(2)
	}
	go keepDate()
	fmt.Printf("listening on %s (Go net)\n", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		// TCP_NODELAY is on from the start.
		go handle(conn)
	}
}

// read is the one call in which all of them wait.
func read(conn net.Conn, buf []byte) (int, error) {
	if *deadline > 0 {
		if err := conn.SetReadDeadline(time.Now().Add(*deadline)); err != nil {
			return 0, err
		}
	}
	return conn.Read(buf)
}

func echo(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, *buffer)
	for {
		n, err := read(conn, buf)
		if err != nil {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func discard(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, *buffer)
	for {
		if _, err := read(conn, buf); err != nil {
			return
		}
	}
}

// work echoes frames of 64 bytes, each after spinning for as many microseconds as its first four
// bytes say.
func work(conn net.Conn) {
	defer conn.Close()
	const frame = 64
	buf := make([]byte, *buffer)
	filled := 0
	for {
		n, err := read(conn, buf[filled:])
		if err != nil {
			return
		}
		filled += n
		whole := filled / frame * frame
		for at := 0; at < whole; at += frame {
			micros := min(binary.LittleEndian.Uint32(buf[at:]), 100_000)
			spin(time.Duration(micros) * time.Microsecond)
		}
		if _, err := conn.Write(buf[:whole]); err != nil {
			return
		}
		filled = copy(buf, buf[whole:filled])
	}
}

func spin(length time.Duration) {
	if length == 0 {
		return
	}
	for begun := time.Now(); time.Since(begun) < length; {
	}
}

var (
	date   atomic.Pointer[string]
	end    = []byte("\r\n\r\n")
	get    = []byte("GET /plaintext HTTP/1.1")
	closes = []byte("\r\nConnection: close")
)

func keepDate() {
	for {
		now := time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
		date.Store(&now)
		time.Sleep(200 * time.Millisecond)
	}
}

func serveHTTP(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, *buffer)
	var out []byte
	filled := 0
	for {
		n, err := read(conn, buf[filled:])
		if err != nil {
			return
		}
		filled += n
		out = out[:0]
		rest, last := buf[:filled], false
		for !last {
			length := bytes.Index(rest, end)
			if length < 0 {
				break
			}
			head := rest[:length]
			rest = rest[length+len(end):]
			last = bytes.Contains(head, closes)
			out = respond(out, bytes.HasPrefix(head, get), last)
		}
		// All the answers to one read leave in one write.
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
		if last || len(rest) == len(buf) {
			return
		}
		filled = copy(buf, rest)
	}
}

func respond(out []byte, found, last bool) []byte {
	status, body := "200 OK", "Hello, World!"
	if !found {
		status, body = "404 Not Found", "Not Found\n"
	}
	out = append(out, "HTTP/1.1 "+status+"\r\nServer: gopark\r\nDate: "...)
	if now := date.Load(); now != nil {
		out = append(out, *now...)
	}
	out = append(out, "\r\nContent-Type: text/plain\r\nContent-Length: "...)
	out = strconv.AppendInt(out, int64(len(body)), 10)
	if last {
		out = append(out, "\r\nConnection: close"...)
	}
	out = append(out, end...)
	return append(out, body...)
}
