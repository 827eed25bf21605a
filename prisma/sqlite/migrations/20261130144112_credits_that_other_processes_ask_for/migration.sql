-- AlterTable
ALTER TABLE "Resource" ADD COLUMN "mostCredits" INTEGER NOT NULL DEFAULT 0;
