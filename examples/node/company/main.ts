// Reads the keys of Halden's providers from the company's own stores.
//
// HALDEN_KEYBOX_URL=… HALDEN_KEYBOX_TOKEN=… HALDEN_LEDGER=ledger.jsonl node build/main.js
import { fileURLToPath } from 'node:url';

import { SecretResolver } from 'modelmesh';

import { register } from './halden/index.js';

register();
const resolver = await SecretResolver.fromConfigAsync(fileURLToPath(new URL('../modelmesh.yaml', import.meta.url)));
for (const provider of resolver.providers) {
  const key = resolver.current(provider).setting('api_key') ?? '';
  console.log(`${provider}: a key of ${key.length} characters`);
}
