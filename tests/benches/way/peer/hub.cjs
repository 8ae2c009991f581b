// What teams write themselves: a hub of Node's HTTPS server and the package `ws`. It keeps nothing on
// disk, checks no credential and limits nobody.
//
// hub.cjs PORT CERTIFICATE KEY
'use strict';
const fs = require('node:fs');
const https = require('node:https');
const { WebSocketServer } = require('ws');

const [port, cert, key] = process.argv.slice(2);
const server = https.createServer({
  cert: fs.readFileSync(cert),
  key: fs.readFileSync(key),
  minVersion: 'TLSv1.3',
});
const hub = new WebSocketServer({ server, perMessageDeflate: false });

server.on('request', (request, response) => {
  const body = [];
  request.on('data', (piece) => body.push(piece));
  request.on('end', () => {
    const text = Buffer.concat(body).toString();
    const published = JSON.parse(text);
    for (const event of Array.isArray(published) ? published : [published]) {
      const message = JSON.stringify(event);
      for (const subscriber of hub.clients) subscriber.send(message);
    }
    response.writeHead(202, { 'content-length': 0 }).end();
  });
});

server.listen(Number(port), '127.0.0.1');
