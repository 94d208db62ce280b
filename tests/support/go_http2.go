// SPDX-License-Identifier: Apache-2.0

// Go's HTTP/2 without TLS: a server that echoes lengths, and a client whose header fields are larger than others take.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

func serve(address string) error {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if size, err := strconv.Atoi(r.URL.Query().Get("size")); err == nil {
			w.Header().Set("X-Giant", strings.Repeat("s", size))
		}
		w.Header().Set("X-Got", strconv.Itoa(len(r.Header.Get("X-Giant"))))
		w.Header().Set("X-Same", "each time")
		fmt.Fprint(w, "hello")
	})
	server := &http.Server{Addr: address, Handler: h2c.NewHandler(handler, &http2.Server{}), MaxHeaderBytes: 8 << 20}
	return server.ListenAndServe()
}

func ask(address string) error {
	client := &http.Client{Transport: &http2.Transport{
		AllowHTTP:         true,
		MaxHeaderListSize: 8 << 20,
		DialTLS: func(network, address string, _ *tls.Config) (net.Conn, error) {
			return net.Dial(network, address)
		},
	}}
	for _, request := range []struct {
		path string
		size int
	}{{"/before", 10}, {"/giant", 200000}, {"/after", 10}, {"/answer?size=300000", 10}, {"/last", 10}} {
		r, err := http.NewRequest("POST", "http://"+address+request.path, strings.NewReader("data"))
		if err != nil {
			return err
		}
		r.Header.Set("X-Giant", strings.Repeat("c", request.size))
		r.Header.Set("X-Same", "each time, too")
		response, err := client.Do(r)
		if err != nil {
			return err
		}
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		fmt.Println(request.path, response.StatusCode, response.Header.Get("X-Got"), len(response.Header.Get("X-Giant")))
	}
	return nil
}

func main() {
	run := map[string]func(string) error{"server": serve, "client": ask}[os.Args[1]]
	if err := run(os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
