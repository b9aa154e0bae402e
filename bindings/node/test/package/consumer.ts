// A program that uses every part of the package. It is compiled in each module system, by the strictest rules.
import {
  BaseSecretStore,
  CONNECTOR_REGISTRY,
  MemorySecretStore,
  SecretResolver,
  SecretStoreError,
  SecretValue,
  VaultSecretStore,
  registerConnector,
  type BaseSecretStoreConfig,
  type ErrorKind,
  type SecretManagement,
  type SecretStoreConnector,
  type VaultSecretStoreConfig,
} from 'modelmesh';
import { BrowserSecretStore } from 'modelmesh/browser';

interface TeamConfig extends BaseSecretStoreConfig {
  region: string;
}

class TeamStore extends BaseSecretStore implements SecretManagement {
  static readonly CONNECTOR_ID: string = 'team.store.v1';
  readonly #secrets = new Map<string, string>();

  constructor({ region, ...config }: TeamConfig) {
    super(config);
    this.#secrets.set('region', region);
  }

  protected override _resolve(name: string): string | null {
    return this.#secrets.get(name) ?? null;
  }

  set(name: string, value: string): void {
    this.#secrets.set(name, value);
    this.invalidate(name);
  }

  list(): string[] {
    return [...this.#secrets.keys()].sort();
  }

  delete(name: string): void {
    if (!this.#secrets.delete(name)) throw new SecretStoreError('not_found', `Secret not found: ${name}`);
    this.invalidate(name);
  }
}

class LaterStore extends BaseSecretStore {
  protected override async _resolve(name: string): Promise<SecretValue> {
    return new SecretValue(name, { version: '1', expiresAt: new Date(Date.now() + 60_000) });
  }
}

function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

async function main(): Promise<void> {
  const team = new TeamStore({ region: 'north', cacheTtlMs: 1000 });
  const connector: SecretStoreConnector = team;
  assert(connector.get('region') === 'north', 'a store of ones own');
  team.set('region', 'south');
  assert(team.get('region') === 'south', 'a write is seen');

  const later = await new LaterStore().getValueAsync('x');
  const version: string | undefined = later.version;
  assert(version === '1' && later.expiresAt instanceof Date, 'a promise of a value');

  const memory = new MemorySecretStore({ secrets: { a: '1' }, maxStale: '1h', retry: { tries: 2 } });
  const found: string | undefined = memory.find('b');
  assert(found === undefined, 'nothing');
  let kind: ErrorKind | undefined;
  try {
    memory.get('b');
  } catch (error) {
    if (error instanceof SecretStoreError) kind = error.kind;
  }
  assert(kind === 'not_found', 'an error');

  const options: VaultSecretStoreConfig = {
    addresses: ['https://vault-0.example.com'],
    auth: { method: 'approle', roleId: 'r', secretId: 's' },
    kvVersion: 2,
  };
  assert(new VaultSecretStore(options) instanceof BaseSecretStore, 'a network store');
  // @ts-expect-error There is no such option.
  assert(throws(() => new VaultSecretStore({ adress: 'x' })), 'an option that is none');
  // @ts-expect-error A value is a string.
  assert(throws(() => memory.set('a', 1)), 'a value that is none');

  registerConnector(TeamStore.CONNECTOR_ID, TeamStore);
  assert(CONNECTOR_REGISTRY['team.store.v1'] === TeamStore, 'the registry');
  const resolver = await SecretResolver.fromConfigAsync('consumer.yaml');
  const config = resolver.resolveAll({ key: '${secrets:region}', count: 3 });
  const key: string = config.key;
  assert(key === 'east' && config.count === 3, 'a configuration');
  const watch = resolver.watch('region');
  const iterator: AsyncIterableIterator<SecretValue> = watch;
  await iterator.return?.();
  const generation = resolver.activate('p', 'rotation');
  assert(generation.setting('key') === 'east', 'an activation');
  const held: { reference: string; value: SecretValue } | undefined = generation.secret('key');
  assert(held?.value.value === 'east', 'a secret of a generation');
  assert(resolver.reportAuthFailure(held.reference, held.value.version).outcome === 'unchanged', 'a refusal');
  const refused = await resolver.reportAuthFailureAsync('region', resolver.get('region').version);
  assert(refused.outcome === 'unchanged', 'a refusal that is awaited');

  assert(BrowserSecretStore.CONNECTOR_ID === 'modelmesh.browser-secrets.v1', 'the entry for browsers');
}

declare const process: { exitCode: number };
declare const console: { log(...things: unknown[]): void; error(...things: unknown[]): void };

function throws(call: () => unknown): boolean {
  try {
    call();
    return false;
  } catch {
    return true;
  }
}

main().then(
  () => console.log('the consumer is content'),
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
