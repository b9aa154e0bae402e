/**
 * The secret stores of Halden Robotics, an imaginary company.
 *
 * When they are registered, a configuration file finds them by their IDs:
 *
 * - `halden.keybox.v1`: the company's key server, over HTTP; read, written and listed
 * - `halden.ledger.v1`: the production line's file, to which lines are added; read alone
 * - `halden.bench.v1`: environment variables of a workbench, which the company names `HALDEN_<TEAM>_<NAME>`
 */
import { registerConnector } from 'modelmesh';

import { BenchSecretStore } from './bench.js';
import { KeyboxSecretStore } from './keybox.js';
import { LedgerSecretStore } from './ledger.js';

export { BenchSecretStore, type BenchSecretStoreConfig } from './bench.js';
export { KeyboxSecretStore, type KeyboxSecretStoreConfig } from './keybox.js';
export { LedgerSecretStore, type LedgerSecretStoreConfig } from './ledger.js';

/** Puts the company's stores beside the ones that come with the library. */
export function register(): void {
  for (const store of [BenchSecretStore, KeyboxSecretStore, LedgerSecretStore]) {
    registerConnector(store.CONNECTOR_ID, store);
  }
}
