-- AlterTable
ALTER TABLE "PersonSession" ADD COLUMN     "authTimeKnown" BOOLEAN NOT NULL DEFAULT true;
