-- AlterTable
ALTER TABLE "Consent" ADD COLUMN "clientForm" TEXT;
