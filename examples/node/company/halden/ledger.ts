import { readFileSync } from 'node:fs';

import { BaseSecretStore, SecretStoreError, SecretValue, type BaseSecretStoreConfig } from 'modelmesh';

export interface LedgerSecretStoreConfig extends BaseSecretStoreConfig {
  /** The file. Default: `'ledger.jsonl'`. */
  file_path?: string;
  /** The production line. Default: `'A'`. */
  line?: string;
}

/** The production line's file, one entry of JSON in each row: the newest value of a name, for one production line. */
export class LedgerSecretStore extends BaseSecretStore {
  static readonly CONNECTOR_ID: string = 'halden.ledger.v1';

  readonly #path: string;
  readonly #line: string;

  constructor({ file_path = 'ledger.jsonl', line = 'A', ...options }: LedgerSecretStoreConfig = {}) {
    super(options);
    this.#path = file_path;
    this.#line = line;
  }

  protected override _resolve(name: string): SecretValue | null {
    // A ledger that cannot be read is an error of the system, through which the last good value is served.
    const rows = readFileSync(this.#path, 'utf8').split('\n').filter(Boolean).map(entry);
    const found = rows.findLast((row) => row.line === this.#line && row.name === name);
    return found === undefined ? null : new SecretValue(found.value, { version: String(found.revision) });
  }
}

interface Entry {
  line: string;
  name: string;
  value: string;
  revision: number;
}

function entry(row: string, at: number): Entry {
  try {
    return JSON.parse(row) as Entry;
  } catch {
    // Not with the parser's own message, which quotes the row.
    throw new SecretStoreError('malformed', `row ${at + 1} of the ledger is not JSON`);
  }
}
