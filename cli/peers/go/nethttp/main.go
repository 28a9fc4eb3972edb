// A server on Go's net/http, as its documentation writes one.
//
// `gopark bench` builds it with `go build` and starts it with the flags below.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
)

var (
	addr    = flag.String("addr", "127.0.0.1:7000", "where to listen")
	workers = flag.Int("workers", 1, "GOMAXPROCS")
)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(*workers)
	listener, err := net.Listen("tcp", *addr)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	body := []byte("Hello, World!")
	http.HandleFunc("GET /plaintext", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", "13")
		w.Header().Set("Server", "gopark")
		w.Write(body)
	})
	fmt.Printf("listening on %s (Go net/http)\n", listener.Addr())
	fmt.Fprintln(os.Stderr, http.Serve(listener, nil))
	os.Exit(1)
}
