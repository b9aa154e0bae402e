// Secrets by name: from a configuration file, and from a store that the program opens itself.
import { fileURLToPath } from 'node:url';

import { DotenvSecretStore, SecretResolver } from 'modelmesh';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

// A configuration: every reference in it is resolved, and all that is missing is told at once.
const resolver = await SecretResolver.fromConfigAsync(here('modelmesh.yaml'));
const openai = resolver.current('openai');
console.log('api_key ends in', openai.setting('api_key').slice(-2));
console.log('organization:', openai.setting('organization'));

// A program's own settings: a new object, with values in place of references.
const settings = { headers: { authorization: 'Bearer ${secrets:OPENAI_KEY}' }, retries: 3 };
const resolved = await resolver.resolveAllAsync(settings);
console.log('authorization has', resolved.headers.authorization.length, 'characters');

// A store by itself. The second read is served from memory.
const store = new DotenvSecretStore({ filePath: here('keys.env'), overrideEnv: true, cacheTtlMs: 60_000 });
console.log('read twice, the same:', store.get('OPENAI_KEY') === store.get('OPENAI_KEY'));
console.log('not there:', store.find('ANTHROPIC_KEY'));
