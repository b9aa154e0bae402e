// A store of a company's own backend, found by its ID from a configuration file.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

import { BaseSecretStore, registerConnector, SecretResolver, SecretStoreError, SecretValue } from 'modelmesh';

// The whole connector. The cache, single flight, retries and serving through an outage are the base's.
class DrawerStore extends BaseSecretStore {
  static CONNECTOR_ID = 'acme.drawer.v1';
  #url;

  constructor({ url, ...options }) {
    super(options);
    this.#url = url;
  }

  async _resolve(name) {
    const response = await fetch(new URL(name.split('/').map(encodeURIComponent).join('/'), this.#url));
    if (response.status === 404) return null;
    if (!response.ok) throw new SecretStoreError('unavailable', `the drawer answered ${response.status}`);
    const { value, version } = await response.json();
    return new SecretValue(value, { version });
  }
}

registerConnector(DrawerStore.CONNECTOR_ID, DrawerStore);

// The backend, for this example.
let calls = 0;
const server = createServer((request, response) => {
  calls += 1;
  if (request.url !== '/gateway/token') return response.writeHead(404).end();
  response.end(JSON.stringify({ value: 'not-a-token', version: '3' }));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
process.env.ACME_DRAWER_URL = `http://127.0.0.1:${server.address().port}/`;

const resolver = await SecretResolver.fromConfigAsync(fileURLToPath(new URL('modelmesh.yaml', import.meta.url)));
console.log('token has', resolver.current('acme').setting('token').length, 'characters');
console.log('version', (await resolver.getAsync('gateway/token')).version);
await resolver.getAsync('${secrets:gateway/none:-a fallback}').then(({ value }) => console.log('in its place:', value));

// The store by itself: ten callers, one call.
const store = new DrawerStore({ url: process.env.ACME_DRAWER_URL });
const before = calls;
await Promise.all(Array.from({ length: 10 }, () => store.getAsync('gateway/token')));
console.log('calls for ten readers:', calls - before);
server.close();
