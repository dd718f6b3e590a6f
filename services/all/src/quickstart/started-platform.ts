import type { Port } from '@switchyard/proto';

/** A platform that the quick start brought up, in whichever shape. */
export interface StartedPlatform {
  /** Origins of the ingresses, `http://127.0.0.1:<port>` unless they listen elsewhere. */
  readonly ingressOrigins: readonly string[];
  /** Process ids by target; they change when a process is started again. */
  processes(): Readonly<Record<string, readonly number[]>>;
  /** `host:port` by target, of the targets that can be called; the first one where there are several. */
  readonly grpcAddresses: Readonly<Record<string, string>>;
  /** Origins of `/healthz`, `/readyz` and `/metrics`, by target. */
  readonly healthOrigins: Readonly<Record<string, readonly string[]>>;
  port<Shape>(port: Port<Shape>): Shape;
  /** Resolves when every ingress takes requests. */
  ready(): Promise<void>;
  onProcessesChanged(listener: () => void): void;
  stop(): Promise<void>;
  /** At once, without draining. */
  kill(): void;
}
