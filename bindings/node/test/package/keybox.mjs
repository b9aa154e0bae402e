// Halden's key server, for the example 'company'.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

/** A server with these secrets, for one test; `fail` makes it answer with a status alone, as something before it would. */
export async function keybox(t, secrets) {
  const token = 'keybox-token';
  const held = new Map(Object.entries(secrets));
  let down;
  const answer = async (request) => {
    if (down !== undefined) return [down, 'not the answer of the keybox itself'];
    if (request.headers.authorization !== `Bearer ${token}`) return [401, { error: 'who-are-you' }];
    const name = decodeURIComponent(request.url.slice('/secrets/'.length));
    if (name === '') return [200, { names: [...held.keys()] }];
    if (request.method === 'PUT') held.set(name, JSON.parse(await text(request)).value);
    else if (!held.has(name)) return [404, { error: 'no-such-secret' }];
    else if (request.method === 'DELETE') held.delete(name);
    return [200, { value: held.get(name) }];
  };
  const server = createServer((request, response) => {
    void answer(request).then(([status, body]) => response.writeHead(status).end(JSON.stringify(body)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return { url: `http://127.0.0.1:${server.address().port}`, token, fail: (status) => (down = status) };
}
