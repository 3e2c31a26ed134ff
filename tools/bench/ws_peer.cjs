// What npm `ws` does with the same job: `node -e … MODULE PORT_FILE BYTES EVERY_MS`. BYTES 0 never
// sends, EVERY_MS 0 sends as fast as it can.
const { WebSocketServer } = require(process.argv[1]);
const fs = require('fs');
const [portFile, bytes, everyMs] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('listening', () => {
  fs.writeFileSync(portFile + '.new', String(server.address().port) + '\n');
  fs.renameSync(portFile + '.new', portFile);
});
// One buffer for all, as its documentation's broadcast does; a client that does not read is left out.
const message = Buffer.alloc(bytes, 'x');
const broadcast = () => {
  for (const client of server.clients) {
    if (client.bufferedAmount < 65536) client.send(message, { binary: false });
  }
  if (everyMs < 1) setImmediate(broadcast);
};
if (bytes > 0) {
  if (everyMs < 1) setImmediate(broadcast);
  else setInterval(broadcast, everyMs);
}
process.on('SIGTERM', () => process.exit(0));
