-- AlterTable
ALTER TABLE "Client" ADD COLUMN     "idTokenAlgorithm" TEXT,
ADD COLUMN     "pkceRequired" BOOLEAN NOT NULL DEFAULT true;
