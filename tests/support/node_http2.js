// SPDX-License-Identifier: Apache-2.0
// Node's http2 without TLS:  node node_http2.js server ADDRESS PORT  |  node node_http2.js client ADDRESS PORT
// The server echoes bodies, ends with trailers, pushes for /page, answers 103 first for /early, accepts an extended
// CONNECT, and resets /reset. The client makes one request of each kind and prints how many streams it closed.
'use strict';
const http2 = require('http2');
const [, , what, address, port] = process.argv;

function serve() {
  const server = http2.createServer({settings: {enableConnectProtocol: true}});
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    const path = headers[':path'];
    if (headers[':method'] === 'CONNECT') {
      stream.respond({':status': 200});
      stream.pipe(stream);
    } else if (path === '/reset') {
      stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    } else if (path === '/page' && stream.pushAllowed) {
      stream.pushStream({':path': '/style'}, (error, push) => {
        if (error) throw error;
        push.respond({':status': 200, 'content-type': 'text/css'});
        push.end('style');
      });
      stream.respond({':status': 200});
      stream.end('page');
    } else {
      if (path === '/early') stream.additionalHeaders({':status': 103, 'link': '</style>'});
      stream.respond({':status': 200, 'content-type': 'text/plain'}, {waitForTrailers: true});
      stream.on('wantTrailers', () => stream.sendTrailers({'x-end': 'yes'}));
      stream.pipe(stream);
    }
  });
  server.listen({host: address, port: Number(port)});
}

function ask() {
  const session = http2.connect(`http://${address}:${port}`);
  session.on('stream', (push) => push.resume());
  session.on('remoteSettings', () => {
    const asked = [
      [{':path': '/plain', ':method': 'POST', 'x-unit': 'one'}, 'hello'],
      [{':path': '/early', ':method': 'POST'}, 'early'],
      [{':path': '/page'}, null],
      [{':path': '/reset'}, null],
      [{':path': '/chat', ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':authority': 'a'}, 'ping'],
      [{':path': '/large', ':method': 'PUT'}, Buffer.alloc(300000, 'x')],
    ];
    let left = asked.length;
    for (const [headers, body] of asked) {
      const stream = session.request(headers, {endStream: body === null});
      stream.on('error', () => {});
      stream.on('push', (push) => push.resume());
      stream.resume();
      stream.on('close', () => {
        if (--left === 0) setTimeout(() => { console.log(asked.length); session.close(); }, 200);
      });
      if (body !== null) stream.end(body);
    }
  });
}

if (what === 'server') serve();
else ask();
