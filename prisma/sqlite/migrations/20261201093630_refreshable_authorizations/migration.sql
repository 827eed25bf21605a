-- AlterTable
ALTER TABLE "Authorization" ADD COLUMN "refreshable" BOOLEAN NOT NULL DEFAULT true;
