// SPDX-License-Identifier: Apache-2.0
// A server on Node's http with the routes of http_server.py:  node node_server.js ADDRESS PORT
'use strict';
const crypto = require('crypto');
const http = require('http');

function bytes(n, seed) {
  const data = Buffer.alloc(n);
  let state = (seed * 2654435761 + 12345) >>> 0;
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return data;
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://test');
  const data = () => bytes(Number(url.searchParams.get('n') || 0), Number(url.searchParams.get('seed') || 0));
  if (request.method === 'POST' || request.method === 'PUT') {
    const hash = crypto.createHash('sha256');
    let length = 0;
    request.on('data', (piece) => { hash.update(piece); length += piece.length; });
    request.on('end', () => {
      const body = JSON.stringify({length, sha256: hash.digest('hex')});
      response.writeHead(200, {'Content-Type': 'application/json', 'Content-Length': body.length});
      response.end(body);
    });
  } else if (url.pathname === '/bytes') {
    const body = data();
    response.writeHead(200, {'Content-Type': 'application/octet-stream', 'Content-Length': body.length});
    response.end(body);
  } else if (url.pathname === '/chunked') {
    const body = data();
    response.writeHead(200, {'Transfer-Encoding': 'chunked', 'Trailer': 'X-Sum'});
    for (let at = 0, size = 1; at < body.length; size = size * 3 % 40009 + 1) {
      response.write(body.subarray(at, at + size));
      at += size;
    }
    response.addTrailers({'X-Sum': crypto.createHash('sha256').update(body).digest('hex')});
    response.end();
  } else if (url.pathname === '/close') {
    response.shouldKeepAlive = false;
    response.useChunkedEncodingByDefault = false;
    response.writeHead(200, {'Connection': 'close'});
    response.end(data());
  } else if (url.pathname === '/status') {
    response.writeHead(Number(url.searchParams.get('code')));
    response.end();
  } else {
    const body = `hello ${request.url}\n`;
    response.writeHead(200, {'Content-Type': 'text/plain', 'Content-Length': body.length});
    response.end(body);
  }
});
server.keepAliveTimeout = 600000;
server.listen({host: process.argv[2], port: Number(process.argv[3]), backlog: 512});
