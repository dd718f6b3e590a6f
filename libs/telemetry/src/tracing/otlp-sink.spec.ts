import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { checkConfig, loadConfig } from '@switchyard/config';
import { openOtlpSink, tracesUrl } from './otlp-sink.js';
import { isContentAllowed, isTracingOn, tracingConfig } from './tracing.config.js';

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/' };

describe('the standard environment', () => {
  it.each([
    [{}, undefined],
    [ENDPOINT, 'http://collector:4318/v1/traces'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://traces:9/path' }, 'http://traces:9/path'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'http://collector:4318/'],
    [{ ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, 'http://collector:4318/v1/traces'],
  ])('%j leads to %s', (environment, url) => {
    expect(tracesUrl(loadConfig(tracingConfig, environment))).toBe(url);
  });

  it.each([
    [{}, false],
    [ENDPOINT, true],
    [{ ...ENDPOINT, OTEL_SDK_DISABLED: 'true' }, false],
    [{ ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }, false],
    [{ ...ENDPOINT, OTEL_TRACES_SAMPLER: 'always_off' }, false],
    [{ ...ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, true],
  ])('%j: traces %s', (environment, isOn) => {
    expect(isTracingOn(loadConfig(tracingConfig, environment))).toBe(isOn);
  });

  it.each([
    [{}, false],
    [{ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' }, true],
    [{ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'SPAN_AND_EVENT' }, true],
    [{ OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'EVENT_ONLY' }, false],
    [{ SWITCHYARD_TRACE_CONTENT: 'true' }, true],
    [{ SWITCHYARD_TRACE_CONTENT: 'false', OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'true' }, false],
  ])('%j: content is allowed %s', (environment, isAllowed) => {
    expect(isContentAllowed(loadConfig(tracingConfig, environment))).toBe(isAllowed);
  });

  it('bounds an export of traces by their own time where that is set', async () => {
    const silent = createServer(() => undefined).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const config = loadConfig(tracingConfig, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
      OTEL_EXPORTER_OTLP_TIMEOUT: '600000',
      OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: '50',
    });
    const sink = await openOtlpSink(config, { version: '1', instanceId: 'i', hostName: 'h' });
    try {
      await expect(sink.send([])).rejects.toThrow();
    } finally {
      silent.closeAllConnections();
      silent.close();
      await sink.close();
    }
  });

  it('is refused where it makes no sense, all of it at once', () => {
    const problems = checkConfig([tracingConfig], {
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'thrift',
      // Exporters throw at it, which would end the start in a stack trace.
      OTEL_EXPORTER_OTLP_TIMEOUT: '0',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_TRACES_SAMPLER_ARG: '2',
      SWITCHYARD_TRACE_KEEP: 'everything',
      SWITCHYARD_TRACE_CONTENT_MAX_BYTES: '2MiB',
      OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT: 'everything',
    });
    expect(problems.map(({ env }) => env).sort()).toEqual([
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'OTEL_EXPORTER_OTLP_PROTOCOL',
      'OTEL_EXPORTER_OTLP_TIMEOUT',
      'OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT',
      'OTEL_TRACES_SAMPLER',
      'OTEL_TRACES_SAMPLER_ARG',
      'SWITCHYARD_TRACE_CONTENT_MAX_BYTES',
      'SWITCHYARD_TRACE_KEEP',
    ]);
  });
});
