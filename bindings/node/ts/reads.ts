import type { Failure, Secret, Store } from './binding.js';
import { wait } from './host.js';

/** @internal How a store is read, past the copies of its values. */
export interface Reads {
  readonly store: Store;
  text(name: string): string | Failure;
  secret(name: string): Secret | Failure;
  secretLater(name: string): Promise<Secret | Failure>;
  preload(names: readonly string[]): Promise<undefined | Failure>;
}

/** @internal A store whose connector is native. */
export class ConnectorReads implements Reads {
  constructor(readonly store: Store) {}

  text(name: string): string | Failure {
    return this.store.get(name);
  }

  secret(name: string): Secret | Failure {
    return wait(this.store.fetch(name));
  }

  secretLater(name: string): Promise<Secret | Failure> {
    return this.store.fetch(name).promise();
  }

  preload(names: readonly string[]): Promise<undefined | Failure> {
    return this.store.preload([...names]).promise();
  }
}
