// The executor of differential programs on real Go. It reads programs on standard input, in the lines
// that program.rs describes, and prints their results; "end" ends each.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// stuck is how long anything may take.
const stuck = 5 * time.Second

// call is one operation and, when it has ended, its result.
type call struct {
	name   string
	id     atomic.Int64 // of its goroutine
	done   chan struct{}
	result string
	told   bool
}

type machine struct {
	listener *net.TCPListener
	out      *bufio.Writer
	ends     map[string]*net.TCPConn
	ports    *strings.Replacer
	calls    map[string]*call
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	m := &machine{listener: listener.(*net.TCPListener), out: bufio.NewWriter(os.Stdout)}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		if m.ends == nil {
			m.connect()
		}
		m.line(words)
		if words[0] == "end" {
			m.ends = nil
			must(m.out.Flush())
		}
	}
	must(in.Err())
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "executor:", err)
		os.Exit(1)
	}
}

func (m *machine) connect() {
	a, err := net.Dial("tcp", m.listener.Addr().String())
	must(err)
	b, err := m.listener.Accept()
	must(err)
	m.ends = map[string]*net.TCPConn{"A": a.(*net.TCPConn), "B": b.(*net.TCPConn)}
	for _, end := range m.ends {
		must(end.SetReadBuffer(65536))
		must(end.SetWriteBuffer(65536))
	}
	port := func(addr net.Addr) string { return ":" + strconv.Itoa(addr.(*net.TCPAddr).Port) }
	m.ports = strings.NewReplacer(port(a.LocalAddr()), ":A", port(b.LocalAddr()), ":B")
	m.calls = map[string]*call{}
}

func (m *machine) line(words []string) {
	args := words[1:]
	switch words[0] {
	case "op":
		c := &call{name: fmt.Sprintf("%s %s.%s", args[0], args[1], args[2]), done: make(chan struct{})}
		m.calls[args[0]] = c
		conn, ports := m.ends[args[1]], m.ports
		go func() {
			c.id.Store(int64(goid()))
			c.result = ports.Replace(run(conn, args[2], args[3:]))
			close(c.done)
		}()
	case "join":
		c := m.calls[args[0]]
		c.wait()
		m.tell(c)
		c.told = true
	case "gather":
		var results []string
		for _, id := range args {
			c := m.calls[id]
			c.wait()
			c.told = true
			results = append(results, c.outcome())
		}
		sort.Strings(results)
		fmt.Fprintf(m.out, "%s: %s\n", m.calls[args[0]].name, strings.Join(results, " | "))
	case "rest":
		m.rest(args)
	case "still":
		c := m.calls[args[0]]
		if c.ended() {
			m.tell(c)
		} else {
			fmt.Fprintf(m.out, "%s: pending\n", c.name)
		}
	case "settle":
		m.settle(args[0], args[1], args[2])
	case "elapse":
		ms, err := strconv.Atoi(args[0])
		must(err)
		time.Sleep(time.Duration(ms) * time.Millisecond)
	case "end":
		for _, end := range m.ends {
			end.SetLinger(0) // no TIME_WAIT
			end.Close()
		}
		for _, c := range m.calls {
			if !c.wait() {
				fmt.Fprintf(m.out, "%s: stuck at the end\n", c.name)
			}
		}
		fmt.Fprintln(m.out, "end")
	default:
		must(errors.New("line " + words[0]))
	}
}

func (m *machine) tell(c *call) {
	if !c.told {
		c.told = c.ended()
		fmt.Fprintf(m.out, "%s: %s\n", c.name, c.outcome())
	}
}

func (c *call) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

func (c *call) wait() bool {
	timer := time.NewTimer(stuck)
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

func (c *call) outcome() string {
	if c.ended() {
		return c.result
	}
	return "stuck"
}

// rest waits until so many calls are blocked in the poller, and so many for a descriptor's lock.
func (m *machine) rest(args []string) {
	var wanted [3]int
	for i, arg := range args {
		n, err := strconv.Atoi(arg)
		must(err)
		wanted[i] = n
	}
	buf := make([]byte, 1<<18)
	var polling, queued int
	for begin := time.Now(); time.Since(begin) < stuck; time.Sleep(20 * time.Microsecond) {
		early := false
		stacks := buf[:runtime.Stack(buf, true)]
		polling, queued = 0, 0
		for _, c := range m.calls {
			in := func(state string) bool {
				return bytes.Contains(stacks, fmt.Appendf(nil, "goroutine %d [%s", c.id.Load(), state))
			}
			switch {
			case c.told:
			case c.ended():
				m.tell(c)
				early = true
			case in("IO wait"):
				polling++
			case in("semacquire"):
				queued++
			}
		}
		if early || polling == wanted[0]+wanted[1] && queued == wanted[2] {
			return
		}
	}
	fmt.Fprintf(m.out, "unrest: polling=%d queued=%d\n", polling, queued)
}

func goid() int {
	buf := make([]byte, 64)
	n := runtime.Stack(buf, false)
	id, err := strconv.Atoi(string(bytes.Fields(buf[:n])[1]))
	must(err)
	return id
}

// settle waits until the kernel has an end in a state, with so many bytes unread.
func (m *machine) settle(end, state, unread string) {
	raw, err := m.ends[end].SyscallConn()
	must(err)
	var was string
	for begin := time.Now(); time.Since(begin) < stuck; time.Sleep(20 * time.Microsecond) {
		ok := false
		err := raw.Control(func(fd uintptr) {
			info, err := syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_INFO)
			must(err)
			var waiting int32
			_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, 0x541B /* FIONREAD */, uintptr(unsafe.Pointer(&waiting)))
			if errno != 0 {
				must(errno)
			}
			was = fmt.Sprintf("state=%d unread=%d", info&0xff, waiting)
			ok = state == strconv.Itoa(info&0xff) && (unread == "-" || unread == strconv.Itoa(int(waiting)))
		})
		if err != nil {
			was = err.Error()
		}
		if ok {
			return
		}
	}
	fmt.Fprintf(m.out, "%s: unsettled: %s\n", end, m.ports.Replace(was))
}

// run makes one call and says what came of it.
func run(c *net.TCPConn, name string, args []string) string {
	var numbers []int
	for _, arg := range args {
		if n, err := strconv.Atoi(arg); err == nil {
			numbers = append(numbers, n)
		}
	}
	switch name {
	case "read":
		buf := make([]byte, numbers[0])
		n, err := c.Read(buf)
		return received(buf[:n], false, err)
	case "fill":
		buf := make([]byte, numbers[0])
		n, err := 0, error(nil)
		for n < len(buf) && err == nil {
			var more int
			more, err = c.Read(buf[n:])
			n += more
		}
		return received(buf[:n], false, err)
	case "drain":
		all, err := io.ReadAll(c)
		if err == nil {
			err = io.EOF
		}
		return received(all, numbers[0] == 1, err)
	case "write":
		buf := make([]byte, numbers[1])
		pattern(byte(numbers[0]), buf)
		n, err := c.Write(buf)
		return sent(n, len(buf), err)
	case "writev":
		var bufs net.Buffers
		total := 0
		next := byte(numbers[0])
		for _, size := range numbers[1:] {
			buf := make([]byte, size)
			next = pattern(next, buf)
			bufs = append(bufs, buf)
			total += size
		}
		n, err := bufs.WriteTo(c)
		return sent(int(n), total, err)
	case "write_close", "write_close_write":
		buf := make([]byte, numbers[1])
		pattern(byte(numbers[0]), buf)
		n, err := c.Write(buf)
		closed := c.Close
		if name == "write_close_write" {
			closed = c.CloseWrite
		}
		return sent(n, len(buf), err) + " " + failure(closed())
	case "close":
		return failure(c.Close())
	case "close_read":
		return failure(c.CloseRead())
	case "close_write":
		return failure(c.CloseWrite())
	case "set_linger":
		return failure(c.SetLinger(numbers[0]))
	case "set_nodelay":
		return failure(c.SetNoDelay(true))
	case "set_deadline":
		return failure(c.SetDeadline(moment(args[0])))
	case "set_read_deadline":
		return failure(c.SetReadDeadline(moment(args[0])))
	case "set_write_deadline":
		return failure(c.SetWriteDeadline(moment(args[0])))
	case "addr":
		return c.LocalAddr().String() + " " + c.RemoteAddr().String()
	}
	must(errors.New("operation " + name))
	return ""
}

func moment(when string) time.Time {
	now := time.Now()
	switch when {
	case "past":
		return now.Add(-time.Second)
	case "soon":
		return now.Add(10 * time.Millisecond)
	case "near":
		return now.Add(100 * time.Millisecond)
	case "far":
		return now.Add(time.Hour)
	case "never":
		return time.Time{}
	}
	must(errors.New("moment " + when))
	return now
}

// pattern fills buf from byte first on and returns the byte that would follow.
func pattern(first byte, buf []byte) byte {
	for i := range buf {
		buf[i] = first
		first = (first + 1) % 251
	}
	return first
}

// sent describes the result of a write; a part that went out has no determined length.
func sent(n, total int, err error) string {
	if 0 < n && n < total {
		return "n=some " + failure(err)
	}
	return fmt.Sprintf("n=%d %s", n, failure(err))
}

// received describes what was read as runs of the writers' pattern. When how much came is not
// determined, neither is the length of the last run.
func received(data []byte, vague bool, err error) string {
	var runs []string
	for at := 0; at < len(data); {
		end := at + 1
		for end < len(data) && data[end] == (data[end-1]+1)%251 {
			end++
		}
		length := strconv.Itoa(end - at)
		if vague && end == len(data) {
			length = "some"
		}
		runs = append(runs, fmt.Sprintf("%d+%s", data[at], length))
		at = end
	}
	n := strconv.Itoa(len(data))
	if vague {
		n = "some"
	}
	return fmt.Sprintf("n=%s [%s] %s", n, strings.Join(runs, " "), failure(err))
}

var errnos = map[syscall.Errno]string{
	syscall.ECONNRESET: "ECONNRESET", syscall.EPIPE: "EPIPE", syscall.ENOTCONN: "ENOTCONN", syscall.EINVAL: "EINVAL",
}

// failure describes an error completely.
func failure(err error) string {
	if err == nil {
		return "nil"
	}
	text := strconv.Quote(err.Error())
	if e, ok := err.(net.Error); ok {
		text += fmt.Sprintf(" timeout=%v temporary=%v", e.Timeout(), e.Temporary())
	} else {
		text += " timeout=- temporary=-"
	}
	var is, chain []string
	for _, known := range []struct {
		name string
		err  error
	}{{"net.ErrClosed", net.ErrClosed}, {"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded}, {"io.EOF", io.EOF}} {
		if errors.Is(err, known.err) {
			is = append(is, known.name)
		}
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e := e.(type) {
		case *net.OpError:
			chain = append(chain, "OpError("+e.Op+")")
		case *os.SyscallError:
			chain = append(chain, "SyscallError("+e.Syscall+")")
		case syscall.Errno:
			is = append(is, errnos[e])
			chain = append(chain, errnos[e])
		default:
			switch e {
			case io.EOF:
				chain = append(chain, "EOF")
			case net.ErrClosed:
				chain = append(chain, "ErrClosed")
			case os.ErrDeadlineExceeded:
				chain = append(chain, "ErrDeadlineExceeded")
			default:
				chain = append(chain, fmt.Sprintf("%T", e))
			}
		}
	}
	return fmt.Sprintf("%s is=[%s] chain=[%s]", text, strings.Join(is, " "), strings.Join(chain, " > "))
}
