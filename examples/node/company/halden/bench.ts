import { BaseSecretStore, type BaseSecretStoreConfig } from 'modelmesh';

export interface BenchSecretStoreConfig extends BaseSecretStoreConfig {
  /** The middle part of every variable's name. Default: `'shared'`. */
  team?: string;
}

/** Environment variables of a workbench: `openai-key` of the team `arms` is `HALDEN_ARMS_OPENAI_KEY`. */
export class BenchSecretStore extends BaseSecretStore {
  static readonly CONNECTOR_ID: string = 'halden.bench.v1';

  readonly #team: string;

  constructor({ team = 'shared', ...options }: BenchSecretStoreConfig = {}) {
    super(options);
    this.#team = team;
  }

  protected override _resolve(name: string): string | undefined {
    return process.env[`HALDEN_${this.#team}_${name}`.toUpperCase().replaceAll('-', '_')];
  }
}
