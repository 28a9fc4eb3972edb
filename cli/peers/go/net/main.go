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
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

var (
	addr     = flag.String("addr", "127.0.0.1:7000", "where to listen")
	service  = flag.String("service", "echo", "echo, http, discard, work, udp, shared, fanout or crowd")
	workers  = flag.Int("workers", 1, "GOMAXPROCS")
	buffer   = flag.Int("buffer", 4096, "bytes of a read buffer")
	deadline = flag.Duration("deadline", 0, "set anew before every read")
	tasks    = flag.Int("tasks", 1, "goroutines that receive from the socket (udp)")
	upstream = flag.String("upstream", "", "the echo server to ask (fanout)")
)

// What all servers of a service have in common.
const (
	frame     = 64
	sharers   = 16
	calls     = 100
	crowd     = 4
	crowdWork = 50 * time.Microsecond
)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(*workers)
	if *service == "udp" {
		serveUDP()
	}
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	handle := map[string]func(net.Conn){
		"echo": echo, "http": serveHTTP, "discard": discard, "work": work,
		"shared": share, "fanout": fanout, "crowd": echo,
	}[*service]
	if handle == nil {
		fmt.Fprintln(os.Stderr, "unknown service", *service)
		os.Exit(2)
	}
	go keepDate()
	if *service == "crowd" {
		for range crowd * *workers {
			go func() {
				for {
					spin(crowdWork)
					runtime.Gosched()
				}
			}()
		}
	}
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
	sendBack(conn, *buffer)
}

// sendBack returns whatever comes, at most so many bytes at once, until the end.
func sendBack(conn net.Conn, most int) {
	buf := make([]byte, most)
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

// serveUDP sends every datagram back.
func serveUDP() {
	where, err := net.ResolveUDPAddr("udp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	conn, err := net.ListenUDP("udp", where)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("listening on %s (Go net)\n", conn.LocalAddr())
	receive := func() {
		buf := make([]byte, *buffer)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err == nil {
				_, err = conn.WriteToUDPAddrPort(buf[:n], from)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
		}
	}
	for range *tasks - 1 {
		go receive()
	}
	receive()
}

// share lets many goroutines read frames from one connection and write them back; package net
// lets one read at a time, and one write.
func share(conn net.Conn) {
	defer conn.Close()
	var all sync.WaitGroup
	for range sharers {
		all.Go(func() { sendBack(conn, frame) })
	}
	all.Wait()
}

// fanout asks another server many times at once for each request, with a goroutine for each.
func fanout(conn net.Conn) {
	defer conn.Close()
	others := make([]net.Conn, calls)
	for at := range others {
		other, err := net.Dial("tcp", *upstream)
		if err != nil {
			return
		}
		defer other.Close()
		others[at] = other
	}
	buf := make([]byte, *buffer)
	for {
		n, err := read(conn, buf)
		if err != nil {
			return
		}
		var all sync.WaitGroup
		var failed atomic.Bool
		for _, other := range others {
			all.Go(func() {
				var ask, answer [frame]byte
				if _, err := other.Write(ask[:]); err != nil {
					failed.Store(true)
				} else if _, err := io.ReadFull(other, answer[:]); err != nil {
					failed.Store(true)
				}
			})
		}
		all.Wait()
		if failed.Load() {
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
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
