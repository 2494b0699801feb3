import { defineConfig } from 'vite';

export default defineConfig({
  base: '/graphiql/',
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    outDir: 'built',
    assetsDir: 'assets',
    emptyOutDir: true,
    target: 'es2022',
    sourcemap: false,
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 10_000,
    reportCompressedSize: false,
  },
  worker: { format: 'es' },
});
