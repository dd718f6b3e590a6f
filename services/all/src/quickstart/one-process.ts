import { join } from 'node:path';
import type { Environment } from '@switchyard/config';
import { loadConfig } from '@switchyard/config';
import { platformConfig, runTargets } from '@switchyard/runtime';
import { createLogger, fileDestination } from '@switchyard/telemetry';
import { ALL_TARGETS, loadTargets } from '../targets.js';
import { untilReady } from './ingress-ready.js';
import { reachableOrigin } from './reachable-host.js';
import { withDefaults } from './service-environment.js';
import type { StartedPlatform } from './started-platform.js';

const READY_TIMEOUT_MS = 120_000;

/** Every target in this process; ports are bound in process, and served over gRPC on a free port for the command line. */
export async function startInOneProcess(
  dataDirectory: string,
  http: { readonly host: string; readonly port: number },
  environment: Environment,
  cancelSignal: AbortSignal,
): Promise<StartedPlatform> {
  const { logLevel } = loadConfig(platformConfig, environment);
  const logger = createLogger({ level: logLevel, format: 'json', destination: fileDestination(join(dataDirectory, 'logs', 'switchyard.log')) });
  const settings = {
    SWITCHYARD_HTTP_PORT: String(http.port),
    SWITCHYARD_DATA_DIR: dataDirectory,
  };
  const platform = await runTargets({
    targets: await loadTargets(ALL_TARGETS),
    environment: { ...withDefaults(environment, { SWITCHYARD_GRPC_PORT: '0' }), ...settings },
    logger,
    cancelSignal,
  });
  const origin = reachableOrigin(http.host, http.port);
  const { grpcAddress } = platform;
  return {
    ingressOrigins: [origin],
    processes: () => Object.fromEntries(ALL_TARGETS.map((target) => [target, [process.pid]])),
    grpcAddresses:
      grpcAddress === undefined ? {} : Object.fromEntries(ALL_TARGETS.filter((target) => target !== 'ingress').map((target) => [target, grpcAddress])),
    healthOrigins: Object.fromEntries(ALL_TARGETS.map((target) => [target, [origin]])),
    port: (port) => platform.port(port),
    ready: () => untilReady(origin, READY_TIMEOUT_MS),
    onProcessesChanged: () => undefined,
    stop: () => platform.stop(),
    kill: () => undefined,
  };
}
