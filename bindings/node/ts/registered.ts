import { BaseSecretStore } from './base.js';
import type { Given, GivenMap, HookCall, OpenCall } from './binding.js';
import { callHook } from './hook-call.js';
import { host, makeStoresBy, type Hook } from './host.js';
import type { SecretStoreConnector } from './interfaces.js';
import { CONNECTOR_REGISTRY } from './registry.js';
import type { Resolved } from './value.js';

/** What is used of a store that is not one of ours. */
type ForeignStore = SecretStoreConnector & { getAsync?: (name: string) => Promise<Resolved> };

/** A store that was made for a configuration: its class is in the registry, and an engine is around it. */
class RegisteredHook implements Hook {
  readonly #resolve: (name: string, isBlocked: boolean) => Resolved | PromiseLike<Resolved>;

  constructor(store: ForeignStore) {
    if (store instanceof BaseSecretStore) this.#resolve = asked(store);
    else if (typeof store.getAsync === 'function') this.#resolve = (name) => store.getAsync?.(name);
    else this.#resolve = (name) => store.get(name);
  }

  serve(call: HookCall, isBlocked: boolean): void {
    callHook(
      () => this.#resolve(call.name, isBlocked),
      call.name,
      isBlocked,
      (answer) => host.answer(call.call, answer),
    );
  }
}

/** How one of our stores is asked past the cache of its own: by its hook, unless its class has a `get` of its own. */
function asked(store: BaseSecretStore): (name: string, isBlocked: boolean) => Resolved | PromiseLike<Resolved> {
  const { get, getAsync } = BaseSecretStore.prototype;
  const isLater = store.getAsync !== getAsync;
  if (store.get === get && !isLater) return (name) => store['_resolve'](name);
  return (name, isBlocked) => {
    store.invalidate(name);
    return isLater && !isBlocked ? store.getAsync(name) : store.get(name);
  };
}

makeStoresBy(({ connector, settings }: OpenCall): Hook => {
  const store = CONNECTOR_REGISTRY[connector];
  if (store === undefined) throw new TypeError(`no connector is registered as '${connector}' any more`);
  return new RegisteredHook(new store(options(settings)));
});

function options({ keys, values }: GivenMap): Record<string, unknown> {
  return Object.fromEntries(keys.map((key, at) => [key, option(values[at])]));
}

function option(value: Given | null | undefined): unknown {
  if (Array.isArray(value)) return value.map(option);
  return typeof value === 'object' && value !== null ? options(value) : value;
}
