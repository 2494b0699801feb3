// A bridge of TCP in front of the server that can break: what a client does when the server restarts.

import net from 'node:net';

export async function bridge(url) {
  const { hostname, port } = new URL(url);
  const lines = new Set();
  const server = net.createServer((near) => {
    const far = net.connect(Number(port), hostname);
    lines.add(near).add(far);
    near.pipe(far).pipe(near);
    for (const end of [near, far]) {
      end.on('error', () => {});
      end.on('close', () => {
        lines.delete(end);
        near.destroy();
        far.destroy();
      });
    }
  });
  const up = (at) => new Promise((resolve) => server.listen(at, '127.0.0.1', resolve));
  await up(0);
  const here = server.address().port;
  const down = () => new Promise((resolve) => {
    server.close(resolve);
    for (const line of lines) line.resetAndDestroy();
  });
  return { url: url.replace(`${hostname}:${port}`, `127.0.0.1:${here}`), down, up: () => up(here) };
}
