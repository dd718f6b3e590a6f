/** Versions that the chart is validated against: the oldest that it supports, one between, and a recent one. */
export const KUBERNETES_VERSIONS = ['1.32.13', '1.34.4', '1.36.3'];
