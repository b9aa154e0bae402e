// Keys rotate while the program runs, and nobody restarts it.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { DotenvSecretStore, SecretResolver } from 'modelmesh';

const folder = mkdtempSync(join(tmpdir(), 'modelmesh-rotation-'));
const keys = new DotenvSecretStore({ filePath: join(folder, 'keys.env'), overrideEnv: true });
keys.set('OPENAI_KEY', 'sk-first');
const file = join(folder, 'modelmesh.yaml');
writeFileSync(file, `
secrets: {store: modelmesh.dotenv.v1, path: keys.env, override: true}
providers:
  openai: {api_key: '\${secrets:OPENAI_KEY}'}
`);

/** The upstream API: it takes one key. */
let accepted = 'sk-first';
const call = async (generation) => generation.setting('api_key') === accepted;

/** A request that survives a rotation: a key that is refused is reported, and what comes back is tried once. */
async function request(resolver) {
  const generation = resolver.current('openai');
  if (await call(generation)) return 'answered';
  const refused = await resolver.reportAuthFailureAsync(generation, 'api_key');
  if (refused.generation !== undefined && (await call(refused.generation))) return `answered, after '${refused.outcome}'`;
  return `failed over: ${refused.outcome}`;
}

try {
  const resolver = await SecretResolver.fromConfigAsync(file);
  console.log(await request(resolver));

  // Somebody else rotates the key. A watch hears of it by itself; so does the provider.
  const watch = await resolver.watchAsync('OPENAI_KEY');
  await keys.setAsync('OPENAI_KEY', 'sk-second');
  accepted = 'sk-second';
  for await (const { version } of watch) {
    console.log('a new version is there:', version !== undefined);
    break;
  }
  console.log(await request(resolver));

  // A refused key asks the store at once, without waiting for anything.
  await keys.setAsync('OPENAI_KEY', 'sk-third');
  accepted = 'sk-third';
  console.log(await request(resolver));

  // By hand: all of a provider's values are replaced together, or none.
  await keys.setAsync('OPENAI_KEY', 'sk-fourth');
  accepted = 'sk-fourth';
  const generation = await resolver.activateAsync('openai', 'rotation');
  console.log('in use:', generation.setting('api_key'));
} finally {
  rmSync(folder, { recursive: true });
}
