/**
 * A service is a typed token with exactly one provider. The type travels with the token and never
 * exists at run time, so that a mistyped service is a compile error and a missing one a start-up
 * error with a name in it.
 */
export interface Service<out T> {
  readonly name: string;
  /** Phantom: carries `T` for the compiler. */
  readonly type?: T;
}

/** A need that may be absent: the plugin gets `undefined` then. */
export interface OptionalService<out T> {
  readonly optional: Service<T>;
}

export const service = <T>(name: string): Service<T> => ({ name });
export const optional = <T>(token: Service<T>): OptionalService<T> => ({ optional: token });

export type Need = Service<unknown> | OptionalService<unknown>;

/** The values a plugin's `needs` resolve to. */
export type Resolved<Needs extends Readonly<Record<string, Need>>> = {
  readonly [Name in keyof Needs]: Needs[Name] extends OptionalService<infer T>
    ? T | undefined
    : Needs[Name] extends Service<infer T>
      ? T
      : never;
};

export const isOptional = (need: Need): need is OptionalService<unknown> => "optional" in need;

/** The services of a running host, by token. */
export class ServiceRegistry {
  readonly #values = new Map<Service<unknown>, unknown>();

  provide<T>(token: Service<T>, value: T): void {
    this.#values.set(token, value);
  }

  get<T>(token: Service<T>): T | undefined {
    // `provide` is the only writer and ties the token to its type.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    return this.#values.get(token) as T | undefined;
  }
}
