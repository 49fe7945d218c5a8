export const QUERY_FORMATS = ['table', 'csv', 'ndjson', 'json'] as const;
export type QueryFormat = (typeof QUERY_FORMATS)[number];
