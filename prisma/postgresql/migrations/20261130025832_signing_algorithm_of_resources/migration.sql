-- AlterTable
ALTER TABLE "Resource" ADD COLUMN     "signingAlgorithm" TEXT NOT NULL DEFAULT 'ES256';
