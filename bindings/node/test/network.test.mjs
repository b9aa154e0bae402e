// Stores behind a network: what was asked for arrives, and an outage is an outage. Their behaviour is proved in Rust,
// against real servers.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { test } from 'node:test';

import * as modelmesh from 'modelmesh';

import { folder } from './fixture.mjs';

const NOWHERE = '127.0.0.1:1';
const ONCE = { retry: { tries: 1 }, failOnMissing: false };

/** Each store, at an address where nobody answers. */
const UNREACHABLE = {
  VaultSecretStore: () => ({ address: `http://${NOWHERE}`, token: 't' }),
  AwsSecretsManagerSecretStore: () => ({ region: 'eu-west-1', endpoint: `http://${NOWHERE}`, accessKeyId: 'a', secretAccessKey: 's' }),
  GoogleSecretManagerSecretStore: () => ({ project: 'p', auth: 'anonymous', endpoint: `http://${NOWHERE}` }),
  AzureKeyVaultSecretStore: () => ({
    vaultUrl: `https://${NOWHERE}`,
    auth: 'client_secret',
    tenantId: 't',
    clientId: 'c',
    clientSecret: 's',
    authorityHost: `https://${NOWHERE}`,
  }),
  OnePasswordConnectSecretStore: () => ({ serverUrl: `http://${NOWHERE}`, vaultId: 'abcdefghijklmnopqrstuvwxyz', token: 't' }),
  KubernetesSecretStore: (t) => {
    const kubeconfig = join(folder(t), 'config');
    writeFileSync(kubeconfig, `
apiVersion: v1
kind: Config
current-context: c
clusters: [{name: k, cluster: {server: 'http://${NOWHERE}'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: k, user: u}}]
`);
    return { kubeconfig, secret: 's' };
  },
};

for (const [name, options] of Object.entries(UNREACHABLE)) {
  test(`${name}: where nobody answers, that is an outage and no missing secret`, async (t) => {
    const store = new modelmesh[name]({ ...options(t), ...ONCE });
    assert.throws(() => store.get('key'), { kind: 'unavailable', name: 'SecretStoreError' });
    await assert.rejects(store.getAsync('key'), { kind: 'unavailable' });
    assert.throws(() => store.find('key'), { kind: 'unavailable' });
  });
}

test('KeyringSecretStore: without a keyring, that is an outage and no missing secret', { skip: process.platform !== 'linux' && 'there is always one' }, async (t) => {
  const bus = process.env.DBUS_SESSION_BUS_ADDRESS;
  t.after(() => (bus === undefined ? delete process.env.DBUS_SESSION_BUS_ADDRESS : (process.env.DBUS_SESSION_BUS_ADDRESS = bus)));
  process.env.DBUS_SESSION_BUS_ADDRESS = `unix:path=${join(folder(t), 'none')}`;
  const store = new modelmesh.KeyringSecretStore({ serviceName: 'modelmesh-test', ...ONCE });
  assert.throws(() => store.get('key'), { kind: 'unavailable' });
  await assert.rejects(store.setAsync('key', 'v'), { kind: 'unavailable' });
});

/** As much of Vault's key/value engine as one secret needs. */
async function vault(t) {
  const documents = new Map();
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const part of request) body += part;
    const { pathname } = new URL(request.url, 'http://vault');
    asked.push({ method: request.method, path: pathname, headers: request.headers });
    const answer = (status, json) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    if (request.headers['x-vault-token'] !== 'right') return answer(403, { errors: ['permission denied'] });
    const versions = documents.get(pathname) ?? [];
    if (request.method === 'POST') {
      versions.push(JSON.parse(body).data);
      documents.set(pathname, versions);
      return answer(200, { data: { version: versions.length, created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false } });
    }
    if (versions.length === 0) return answer(404, { errors: [] });
    const metadata = { version: versions.length, created_time: '2026-01-01T00:00:00Z', deletion_time: '', destroyed: false };
    answer(200, { data: { data: versions.at(-1), metadata } });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  t.after(() => server.closeAllConnections());
  return { address: `http://127.0.0.1:${server.address().port}`, asked };
}

test('VaultSecretStore: a secret is written and read, by one call for many readers, with its version', async (t) => {
  const { address, asked } = await vault(t);
  const store = new modelmesh.VaultSecretStore({ address, token: 'right', kvVersion: 2, mount: 'kv', prefix: 'team/', namespace: 'ns' });
  await assert.rejects(store.getAsync('key'), { message: 'Secret not found: key' });
  await store.setAsync('key', 'one');
  const before = asked.length;
  assert.deepEqual(await Promise.all(Array.from({ length: 8 }, () => store.getAsync('key'))), Array(8).fill('one'));
  assert.equal(asked.length, before + 1);
  const { path, headers } = asked.at(-1);
  assert.equal(path, '/v1/kv/data/team/key');
  assert.equal(headers['x-vault-namespace'], 'ns');
  const value = await store.getValueAsync('key');
  assert.deepEqual([value.value, value.version], ['one', '1']);
  assert.equal(store.get('key'), 'one', 'what is cached needs no server, and no event loop');
});

test('VaultSecretStore: a login that is refused is told as that', async (t) => {
  const { address } = await vault(t);
  const store = new modelmesh.VaultSecretStore({ address, token: 'wrong', kvVersion: 2, ...ONCE });
  await assert.rejects(store.getAsync('key'), ({ kind }) => kind === 'store_auth' || kind === 'denied');
});
